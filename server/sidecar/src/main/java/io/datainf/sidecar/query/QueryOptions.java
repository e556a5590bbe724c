package io.datainf.sidecar.query;

/**
 * Options of a query.
 *
 * @param perBlock return each block's term of the scores as well; not with {@link SampleSelection.Top}
 * @param normalization how scores are scaled
 * @param minRevision answer from this revision or a later one; 0 for whatever is durable
 * @param reproducible bit-identical scores for any thread count, load or restart
 */
public record QueryOptions(boolean perBlock, Normalization normalization, long minRevision, boolean reproducible) {

    public QueryOptions {
        if (minRevision < 0) {
            throw new IllegalArgumentException("minRevision is %d: expected at least 0".formatted(minRevision));
        }
    }
}
