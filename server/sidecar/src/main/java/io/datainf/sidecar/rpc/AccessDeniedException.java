package io.datainf.sidecar.rpc;

/** A call that its caller may not make. */
final class AccessDeniedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final boolean known;
    private final String reason;

    private AccessDeniedException(boolean known, String reason, String message) {
        super(message);
        this.known = known;
        this.reason = reason;
    }

    /** Nobody is known to make it. */
    static AccessDeniedException unknown(String message) {
        return new AccessDeniedException(false, "TOKEN_UNKNOWN", message);
    }

    /** Somebody makes it who may not. */
    static AccessDeniedException forbidden(String reason, String message) {
        return new AccessDeniedException(true, reason, message);
    }

    /** Whether the caller is known. */
    boolean known() {
        return known;
    }

    /** For programs. */
    String reason() {
        return reason;
    }
}
