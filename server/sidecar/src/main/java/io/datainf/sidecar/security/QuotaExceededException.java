package io.datainf.sidecar.security;

/** A client has as much as it may have. */
public final class QuotaExceededException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** What there is too much of. */
    public enum Kind {
        STREAMS,
        RUNS,
        DISK
    }

    private final Kind kind;

    public QuotaExceededException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    /** What there is too much of. */
    public Kind kind() {
        return kind;
    }
}
