package io.datainf.engine.run;

/** The run does not hold a sample of this id. */
public final class UnknownSampleException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public UnknownSampleException(RunId id, long sampleId) {
        super("run '%s' holds no sample with id %s".formatted(id, Long.toUnsignedString(sampleId)));
    }
}
