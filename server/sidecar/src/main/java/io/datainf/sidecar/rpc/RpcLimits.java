package io.datainf.sidecar.rpc;

import io.datainf.sidecar.security.Quota;

/**
 * Limits that the services set and advertise.
 *
 * @param maxMessageBytes largest message that a client may send, bytes; at least 1 KiB
 * @param maxUnackedBytes most bytes of one writer's stream received and not acked before reading stops; at least 1
 * @param maxInFlightBytes most bytes of batches in memory over all writers before reading stops; at least 1. One batch a
 *     stream may go beyond it
 * @param maxQueryElements most elements of validation gradients, count * D, in one query; at least 1
 * @param client what each client may take that has no quota of its own
 */
public record RpcLimits(
        int maxMessageBytes, long maxUnackedBytes, long maxInFlightBytes, long maxQueryElements, Quota client) {

    /** 4 MiB a message, 16 MiB unacked a stream, 64 MiB in flight, 32 Mi elements a query. */
    public static final RpcLimits DEFAULT = new RpcLimits(4 << 20, 16L << 20, 64L << 20, 32L << 20, Quota.DEFAULT);

    private static final int MIN_MESSAGE_BYTES = 1 << 10;
    // The transport would answer a message over its limit without numbers, and to some clients as CANCELLED: so it gets
    // more room, and the services answer themselves.
    private static final int TRANSPORT_MARGIN_BYTES = 1 << 20;

    public RpcLimits {
        requireAtLeast("maxMessageBytes", maxMessageBytes, MIN_MESSAGE_BYTES);
        requireAtLeast("maxUnackedBytes", maxUnackedBytes, 1);
        requireAtLeast("maxInFlightBytes", maxInFlightBytes, 1);
        requireAtLeast("maxQueryElements", maxQueryElements, 1);
        if (maxMessageBytes > Integer.MAX_VALUE - TRANSPORT_MARGIN_BYTES) {
            throw new IllegalArgumentException("maxMessageBytes is %d: expected at most %d"
                    .formatted(maxMessageBytes, Integer.MAX_VALUE - TRANSPORT_MARGIN_BYTES));
        }
    }

    /** Limit to set on the transport, bytes. */
    int transportMessageBytes() {
        return maxMessageBytes + TRANSPORT_MARGIN_BYTES;
    }

    private static void requireAtLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException("%s is %d: expected at least %d".formatted(name, value, least));
        }
    }
}
