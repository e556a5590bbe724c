package io.datainf.sidecar.query;

/** The gradients of a query are not what was announced, or not numbers. */
public final class InvalidQueryException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String field;

    /**
     * Creates the exception.
     *
     * @param field the field at fault, as the protocol names it
     */
    InvalidQueryException(String field, String message) {
        super(message);
        this.field = field;
    }

    /** The field at fault, as the protocol names it. */
    public String field() {
        return field;
    }
}
