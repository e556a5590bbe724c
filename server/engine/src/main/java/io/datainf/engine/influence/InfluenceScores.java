package io.datainf.engine.influence;

import java.util.OptionalDouble;

/**
 * Scores of all rows of a sample set, off-heap: [m, rowCount] float64, and per block [L, m, rowCount] where asked for. Sign
 * of the paper: negative = helpful, positive = harmful. Scores of dead rows are 0 and mean nothing.
 */
public final class InfluenceScores implements AutoCloseable {

    InfluenceScores() {}

    /** Score of the row for validation point {@code query}. */
    public double score(int query, int ordinal) {
        throw new UnsupportedOperationException();
    }

    /**
     * The term of block {@code block} in the score.
     *
     * @throws IllegalStateException if terms were not asked for
     */
    public double blockScore(int block, int query, int ordinal) {
        throw new UnsupportedOperationException();
    }

    /** lambda_l used, [L]; 0 for a skipped block. */
    public double[] lambda() {
        throw new UnsupportedOperationException();
    }

    /** Bound on the rounding error of any score, relative to the greatest absolute score of its validation point. */
    public OptionalDouble relativeErrorBound() {
        throw new UnsupportedOperationException();
    }

    /** Whether single precision was not enough and the scores were computed again in double. */
    public boolean recomputedInDouble() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
