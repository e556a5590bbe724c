package io.datainf.sidecar.ingest;

/** A message of a writer breaks a rule of the protocol. */
public final class InvalidBatchException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String field;

    /**
     * Creates the exception.
     *
     * @param field the field at fault, as the protocol names it
     */
    InvalidBatchException(String field, String message) {
        super(message);
        this.field = field;
    }

    /** The field at fault, as the protocol names it. */
    public String field() {
        return field;
    }
}
