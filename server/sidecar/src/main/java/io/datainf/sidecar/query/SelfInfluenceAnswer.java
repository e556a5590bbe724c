package io.datainf.sidecar.query;

/**
 * Self-influences of samples.
 *
 * @param facts what they were computed from
 * @param sampleIds the trainer's ids, in the order asked or, for all samples, stored
 * @param values self-influence of each of them, at most 0
 * @param queueNanos from the request to the start of the work
 * @param computeNanos time of the work; next to nothing when the result was kept
 * @param computedAtNanos when it ended, as {@link System#nanoTime}
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record SelfInfluenceAnswer(
        SnapshotFacts facts,
        long[] sampleIds,
        double[] values,
        long queueNanos,
        long computeNanos,
        long computedAtNanos) {}
