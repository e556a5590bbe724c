package io.datainf.engine.run;

/** A run of this id exists with another definition. */
public final class RunDefinitionMismatchException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public RunDefinitionMismatchException(RunId id, String field, Object existing, Object requested) {
        super("run '%s' exists with %s %s; the request has %s".formatted(id, field, existing, requested));
    }
}
