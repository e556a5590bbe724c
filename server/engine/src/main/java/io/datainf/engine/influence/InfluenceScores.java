package io.datainf.engine.influence;

import java.util.OptionalDouble;

/**
 * Scores of all rows of a sample set, off-heap: [m, rowCount] float64, and per block [L, m, rowCount] where asked for. Sign
 * of the paper: negative = helpful, positive = harmful. Scores of dead rows are 0 and mean nothing.
 *
 * <p>Safe for any number of threads until closed.
 */
public final class InfluenceScores implements AutoCloseable {

    private final ScoreTable table;
    private final double[] lambda;
    private final OptionalDouble relativeErrorBound;
    private final boolean recomputedInDouble;

    InfluenceScores(ScoreTable table, double[] lambda, OptionalDouble relativeErrorBound, boolean recomputedInDouble) {
        this.table = table;
        this.lambda = lambda;
        this.relativeErrorBound = relativeErrorBound;
        this.recomputedInDouble = recomputedInDouble;
    }

    /** Score of the row for validation point {@code query}. */
    public double score(int query, int ordinal) {
        return table.score(query, ordinal);
    }

    /**
     * The term of block {@code block} in the score.
     *
     * @throws IllegalStateException if terms were not asked for
     */
    public double blockScore(int block, int query, int ordinal) {
        return table.term(block, query, ordinal);
    }

    /** lambda_l used, [L]; 0 for a skipped block. */
    public double[] lambda() {
        return lambda.clone();
    }

    /**
     * Bound on the rounding error of any score, relative to the greatest absolute score of its validation point; an
     * estimate that held in all calibrated cases. For every method and precision: e max_k sum_l (|v_l| + |r_l|)
     * sqrt(q_{k,l}) / lambda_l, with e = 8 * 2^-24 where float32 was enough and 64 * 2^-53 where float64 was used; HESSIAN_FREE has r =
     * 0 and no lambda. Empty if no bound can be given, because all scores of a validation point cancel to 0.
     */
    public OptionalDouble relativeErrorBound() {
        return relativeErrorBound;
    }

    /**
     * Whether single precision was not enough, for some validation point, and scores were computed in double. False for
     * small sets, for which double is the rule.
     */
    public boolean recomputedInDouble() {
        return recomputedInDouble;
    }

    @Override
    public void close() {
        table.close();
    }
}
