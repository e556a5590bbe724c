package io.datainf.sidecar.rpc;

/** A message or a query is larger than the server takes. */
final class RequestTooLargeException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RequestTooLargeException(String message) {
        super(message);
    }

    /** Checks the size of a message. */
    static void requireMessageBytes(int actual, RpcLimits limits) {
        if (actual > limits.maxMessageBytes()) {
            throw new RequestTooLargeException("the message has %d bytes: expected at most %d (max_message_bytes)"
                    .formatted(actual, limits.maxMessageBytes()));
        }
    }

    /** For a message whose size shows only while it is read, such as a compressed one. */
    static RequestTooLargeException unbounded(RpcLimits limits) {
        return new RequestTooLargeException(
                "the message has more than %d bytes: expected at most that (max_message_bytes)"
                        .formatted(limits.maxMessageBytes()));
    }
}
