package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import org.jspecify.annotations.Nullable;

/**
 * When float32 will do.
 *
 * @param doubleUpToSamples with at most this many samples everything is computed in float64 at once
 * @param greatestError estimated rounding error, relative to the greatest score, above which scores are computed again in float64
 * @param auditAbove estimated error above which it is measured on some rows
 * @param exactSolver the solver that EXACT takes; null for the cheapest
 */
record Numerics(
        int doubleUpToSamples,
        double greatestError,
        double auditAbove,
        @Nullable Solver exactSolver) {

    /** Few samples: r is dominated by single rows, v - r cancels, and float64 costs little. */
    static final Numerics DEFAULT = new Numerics(64, 1e-5, 1e-5, null);
}
