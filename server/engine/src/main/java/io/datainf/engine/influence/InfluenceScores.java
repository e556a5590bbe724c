package io.datainf.engine.influence;

import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

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
    private final double[] inverseHvpNorms; // [m]
    private final @Nullable SolverReport solverReport;

    InfluenceScores(
            ScoreTable table,
            double[] lambda,
            OptionalDouble relativeErrorBound,
            boolean recomputedInDouble,
            double[] inverseHvpNorms,
            @Nullable SolverReport solverReport) {
        this.table = table;
        this.lambda = lambda;
        this.relativeErrorBound = relativeErrorBound;
        this.recomputedInDouble = recomputedInDouble;
        this.inverseHvpNorms = inverseHvpNorms;
        this.solverReport = solverReport;
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
     * Bound on the error of any score, relative to the greatest absolute score of its validation point; an estimate that held in all
     * calibrated cases. DATAINF, HESSIAN_FREE and LISSA: of rounding, see {@link RoundingError}. EXACT: of the residual reached and of
     * rounding. Empty if no bound can be given, because all scores of a validation point cancel to 0.
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

    /** |h| of a validation point over the blocks that are not skipped, for {@link Normalizations#cosine}. */
    public double inverseHvpNorm(int query) {
        return inverseHvpNorms[query];
    }

    /** How well the solver did; empty for methods that solve nothing, DATAINF and HESSIAN_FREE. */
    public Optional<SolverReport> solverReport() {
        return Optional.ofNullable(solverReport);
    }

    @Override
    public void close() {
        table.close();
    }
}
