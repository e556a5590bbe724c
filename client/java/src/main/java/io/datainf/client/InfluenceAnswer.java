package io.datainf.client;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * The answer to one {@link InfluenceQuery}.
 *
 * @param snapshot the fixed set of samples that it was computed from
 * @param points one entry a validation point, in the order asked; a single one for the mean
 * @param summary what it cost and how far to trust it
 * @param further the answers for the second damping and on, when several were asked for; see {@link #byDamping}
 */
public record InfluenceAnswer(
        Snapshot snapshot, List<PointScores> points, Summary summary, List<InfluenceAnswer> further) {

    public InfluenceAnswer {
        points = List.copyOf(points);
        further = List.copyOf(further);
    }

    /** One answer for each damping asked for, in order; the first is this one. */
    public List<InfluenceAnswer> byDamping() {
        return Stream.concat(Stream.of(this), further.stream()).toList();
    }

    /** The scores when there is one validation point or their mean. */
    public PointScores scores() {
        if (points.size() != 1) {
            throw new IllegalStateException("the answer is for " + points.size() + " validation points: use points()");
        }
        return points.get(0);
    }

    /** Scores of one validation point: sample and score at equal positions. Immutable. */
    public static final class PointScores {
        private final long[] sampleIds;
        private final double[] scores;

        /** Takes over both arrays. */
        PointScores(long[] sampleIds, double[] scores) {
            if (sampleIds.length != scores.length) {
                throw new IllegalArgumentException(
                        sampleIds.length + " sample ids and " + scores.length + " scores: expected equally many");
            }
            this.sampleIds = sampleIds;
            this.scores = scores;
        }

        /** Number of scores. */
        public int count() {
            return scores.length;
        }

        /** The sample at a position, from 0. */
        public long sampleId(int position) {
            return sampleIds[position];
        }

        /** The score at a position, from 0; negative = helpful, positive = harmful. */
        public double score(int position) {
            return scores[position];
        }

        /** A copy of all sample ids. */
        public long[] sampleIds() {
            return sampleIds.clone();
        }

        /** A copy of all scores; negative = helpful, positive = harmful. */
        public double[] scores() {
            return scores.clone();
        }
    }

    /**
     * What the query saw.
     *
     * @param sampleCount samples, n
     * @param revision revision of the run
     * @param dampings lambda_l of each block, 0 for a skipped one
     * @param skippedBlocks positions of blocks whose gradients are all zero so far: they contribute 0
     * @param engine what computed, e.g. "vector"
     */
    public record Snapshot(
            long sampleCount, long revision, List<Double> dampings, List<Integer> skippedBlocks, String engine) {

        public Snapshot {
            dampings = List.copyOf(dampings);
            skippedBlocks = List.copyOf(skippedBlocks);
        }
    }

    /**
     * Cost and trust.
     *
     * @param queueDuration from the arrival of the whole request to the start of its batch
     * @param computeDuration in the kernels, for all queries that were computed together
     * @param respondDuration from the end of the computation to the end of the answer
     * @param relativeErrorBound bound on the rounding error of any score before normalization, relative to the greatest absolute score of its
     *     validation point; empty when the method has none
     * @param recomputedInDouble whether single precision was not enough and everything was computed again in double
     * @param solver how the solver ended, for methods that have one
     * @param batchQueryCount queries that were computed together, this one included
     */
    public record Summary(
            Duration queueDuration,
            Duration computeDuration,
            Duration respondDuration,
            OptionalDouble relativeErrorBound,
            boolean recomputedInDouble,
            Optional<SolverReport> solver,
            int batchQueryCount) {}
}
