package io.datainf.engine.run;

/** A batch number leaves a gap. */
public final class BatchOutOfOrderException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public BatchOutOfOrderException(long batchSeq, long expected) {
        super("batch_seq is %d: expected %d".formatted(batchSeq, expected));
    }
}
