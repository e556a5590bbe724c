package io.datainf.sidecar.query;

/**
 * Samples of the run in the place of validation points.
 *
 * @param sampleIds the trainer's ids, [m], m at least 1
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record StoredSamples(long[] sampleIds) implements QuerySource {

    @Override
    public int count() {
        return sampleIds.length;
    }
}
