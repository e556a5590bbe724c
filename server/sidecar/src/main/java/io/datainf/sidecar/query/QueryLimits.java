package io.datainf.sidecar.query;

/**
 * Limits of the queries of one server.
 *
 * @param queueCapacity most queries that wait; at least 1
 * @param maxMemoryBytes most bytes of validation gradients and scores, over all queries that wait, run or are being sent;
 *     at least 1
 */
public record QueryLimits(int queueCapacity, long maxMemoryBytes) {

    /** 64 queries, 1 GiB. */
    public static final QueryLimits DEFAULT = new QueryLimits(64, 1L << 30);

    public QueryLimits {
        if (queueCapacity < 1) {
            throw new IllegalArgumentException("queueCapacity is %d: expected at least 1".formatted(queueCapacity));
        }
        if (maxMemoryBytes < 1) {
            throw new IllegalArgumentException("maxMemoryBytes is %d: expected at least 1".formatted(maxMemoryBytes));
        }
    }
}
