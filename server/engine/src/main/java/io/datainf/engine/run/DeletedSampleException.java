package io.datainf.engine.run;

/** A batch holds a sample that was deleted, and does not say that it may come back. */
public final class DeletedSampleException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public DeletedSampleException(RunId id, long batchSeq, long sampleId) {
        super("batch %d: sample %s was deleted from run '%s': expected allow_deleted if it shall come back"
                .formatted(batchSeq, Long.toUnsignedString(sampleId), id));
    }
}
