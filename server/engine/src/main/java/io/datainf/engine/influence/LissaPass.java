package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import java.lang.foreign.Arena;

/*
 * R <- R + alpha (v - G R - lambda R), R = v at first, G R = 1/n sum_i g_i (g_i . R): one reading of the rows a step, and one more for the residual
 * v - G R - lambda R of the answer. The authors' code has + lambda R in the step; the residual is that of the right equation in either case.
 *
 * Rounding: each step adds alpha times the error of G R (RoundingError, with weights of 1 / mean q times mean q), and what is there grows as R does, or stays.
 */
/** The first passes of LISSA. */
final class LissaPass {

    /** Relative residual up to which the answer counts as converged. */
    static final double CONVERGED = 1e-3;

    private final ScanContext context;
    private final ColumnGroup columns;
    private final ColumnSource validation;
    private final int iterations;
    private final double alpha;
    private final double lambdaSign;
    private final double[] deviations; // of R . g, [L, columns]
    private final double[] residuals; // relative, [L, columns]

    /**
     * Prepares the passes.
     *
     * @param lambdaSign what lambda R is multiplied by in a step: -1, or the authors' 1
     */
    LissaPass(
            ScanContext context,
            ColumnGroup columns,
            ColumnSource validation,
            int iterations,
            double alpha,
            double lambdaSign) {
        this.context = context;
        this.columns = columns;
        this.validation = validation;
        this.iterations = iterations;
        this.alpha = alpha;
        this.lambdaSign = lambdaSign;
        int entries = context.samples().layout().blockCount() * columns.columnCount();
        this.deviations = new double[entries];
        this.residuals = new double[entries];
    }

    /** Multiplications of {@link #run}. */
    static double cost(ScanContext context, ColumnGroup columns, int iterations) {
        return 2 * (iterations + 1.0) * context.cost(columns.columnCount());
    }

    /**
     * Runs the passes and adds reports to the dampings. The caller closes the result.
     *
     * @throws ArithmeticException if R is not finite
     */
    InverseHvp run() {
        try (Arena arena = Arena.ofShared()) {
            BlockState state = new BlockState(context.plan(), columns.columnCount(), arena);
            state.copy(context, validation);
            WeightedSums.Weights uniform =
                    WeightedSums.uniform(context.samples().statistics());
            WeightedSums product = new WeightedSums(context, state, columns.columnCount(), 1, uniform);
            for (int t = 0; t < iterations; t++) {
                product.run((rangeIndex, b, set, j, r, norm, gr, factor) ->
                        step(rangeIndex, b, j, state, norm, gr, factor));
            }
            product.run((rangeIndex, b, set, j, r, norm, gr, factor) -> measure(rangeIndex, b, j, r, gr, factor));
            report();
            return InverseHvp.of(context, state, (l, column) -> deviations[l * columns.columnCount() + column]);
        }
    }

    private void step(int rangeIndex, int b, int column, BlockState state, double norm, BlockVector gr, double factor) {
        BlockRange range = context.plan().ranges().get(rangeIndex);
        int l = range.firstBlock() + b;
        int at = l * columns.columnCount() + column;
        BlockVector r = state.get(l, column);
        BlockStatistics statistics = context.samples().statistics();
        double meanSquare = statistics.squaredNormSums()[l] / statistics.sampleCount();
        double unscaled = factor * WeightedSums.scale(statistics, l);
        RoundingError error = context.roundingError();
        double ofProducts = error.ofProduct(r) * meanSquare;
        double ofSum = error.ofSum(unscaled * gr.dot(r) * meanSquare, gr, unscaled, statistics.sampleCount());
        double added = alpha * Math.hypot(ofProducts, ofSum);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector d = new BlockVector(range.width(b), arena);
            validation.load(range, b, column, d);
            d.combine(1, -unscaled, gr);
            r.combine(1 + lambdaSign * alpha * lambda(l, column), alpha, d);
        }
        double next = r.norm();
        if (!Double.isFinite(next)) {
            throw new ArithmeticException(
                    "LISSA exceeds float64 at validation point %d, block '%s': alpha is %s, expected less than 2 / (|G| + lambda)"
                            .formatted(
                                    columns.point(column),
                                    range.layout().blocks().get(l).name(),
                                    alpha));
        }
        double growth = norm == 0 ? 1 : Math.max(1, next / norm);
        deviations[at] = growth * deviations[at] + added;
    }

    private void measure(int rangeIndex, int b, int column, BlockVector r, BlockVector gr, double factor) {
        BlockRange range = context.plan().ranges().get(rangeIndex);
        int l = range.firstBlock() + b;
        double unscaled = factor * WeightedSums.scale(context.samples().statistics(), l);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector residual = new BlockVector(range.width(b), arena);
            double norm = validation.load(range, b, column, residual);
            residual.combine(1, -unscaled, gr);
            residual.combine(1, -lambda(l, column), r);
            residuals[l * columns.columnCount() + column] = norm == 0 ? 0 : residual.norm() / norm;
        }
    }

    private void report() {
        for (int column = 0; column < columns.columnCount(); column++) {
            double worst = 0;
            for (int at = column; at < residuals.length; at += columns.columnCount()) {
                worst = Math.max(worst, residuals[at]);
            }
            columns.damping(column).addReport(new SolverReport(worst <= CONVERGED, iterations, worst, "lissa"));
        }
    }

    private double lambda(int block, int column) {
        return columns.damping(column).lambda()[block];
    }
}
