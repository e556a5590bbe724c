package io.datainf.engine.run;

/** No run has the id that was asked for. */
public final class UnknownRunException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public UnknownRunException(RunId id) {
        super("run '%s' does not exist: create it first".formatted(id));
    }
}
