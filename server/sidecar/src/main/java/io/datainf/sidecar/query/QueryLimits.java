package io.datainf.sidecar.query;

/**
 * Limits of what one server computes.
 *
 * @param queueCapacity most queries that wait, of short and of long methods each; at least 1
 * @param maxMemoryBytes most bytes of validation gradients and scores, over all queries that wait, run or are being sent;
 *     at least 1
 * @param solverMemoryBytes most bytes that the solver of EXACT may take, for each computation; at least 1
 */
public record QueryLimits(int queueCapacity, long maxMemoryBytes, long solverMemoryBytes) {

    /** 64 queries, 1 GiB, 1 GiB. */
    public static final QueryLimits DEFAULT = new QueryLimits(64, 1L << 30, 1L << 30);

    public QueryLimits {
        requireAtLeastOne("queueCapacity", queueCapacity);
        requireAtLeastOne("maxMemoryBytes", maxMemoryBytes);
        requireAtLeastOne("solverMemoryBytes", solverMemoryBytes);
    }

    private static void requireAtLeastOne(String name, long value) {
        if (value < 1) {
            throw new IllegalArgumentException("%s is %d: expected at least 1".formatted(name, value));
        }
    }
}
