package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import java.lang.foreign.Arena;
import java.util.stream.IntStream;

/**
 * EXACT by conjugate gradients (Hestenes and Stiefel 1952), all blocks and columns side by side, one reading of the rows a step; those that have reached the
 * tolerance rest. One more reading for the residual of the answer.
 */
final class ConjugateGradients {

    // The residual of the answer may differ by rounding from the one that the iteration keeps.
    private static final double TOLERANCE_MARGIN = 1.01;
    private static final int SPARE_ITERATIONS = 50;

    private final ScanContext context;
    private final ColumnGroup columns;
    private final ColumnSource validation;
    private final double tolerance;
    private final double[] residualSquares; // [L, columns]
    private final double[] targets; // of the residual, [L, columns]
    private final double[] residuals; // relative, of the answer, [L, columns]
    private final double[] errors; // of h, [L, columns]
    private final boolean[] active; // [L, columns]

    /**
     * Prepares the iteration.
     *
     * @param context with kernels of float64
     * @param columns of one damping
     * @param tolerance relative residual to stop at
     */
    ConjugateGradients(ScanContext context, ColumnGroup columns, ColumnSource validation, double tolerance) {
        this.context = context;
        this.columns = columns;
        this.validation = validation;
        this.tolerance = tolerance;
        int entries = context.samples().layout().blockCount() * columns.columnCount();
        this.residualSquares = new double[entries];
        this.targets = new double[entries];
        this.residuals = new double[entries];
        this.errors = new double[entries];
        this.active = new boolean[entries];
    }

    /** Runs the iteration, and adds reports and errors to the damping. The caller closes the result. */
    InverseHvp run() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(
                    new BlockState(context.plan(), columns.columnCount(), arena),
                    new BlockState(context.plan(), columns.columnCount(), arena),
                    new BlockState(context.plan(), columns.columnCount(), arena));
            state.residual().copy(context, validation);
            state.direction().copy(context, validation);
            begin(state);
            int iterations = iterate(state);
            product(state.solution())
                    .run((rangeIndex, b, set, column, x, norm, gx, factor) ->
                            measure(rangeIndex, b, column, x, gx, factor));
            report(iterations);
            return InverseHvp.of(context, state.solution(), (l, column) -> 0);
        }
    }

    private record State(BlockState solution, BlockState residual, BlockState direction) {}

    private WeightedSums product(ColumnSource source) {
        WeightedSums.Weights uniform = WeightedSums.uniform(context.samples().statistics());
        return new WeightedSums(context, source, columns.columnCount(), 1, uniform);
    }

    private void begin(State state) {
        for (BlockRange range : context.plan().ranges()) {
            for (int l = range.firstBlock(); l < range.endBlock(); l++) {
                for (int column = 0; column < columns.columnCount(); column++) {
                    BlockVector r = state.residual().get(l, column);
                    int at = at(l, column);
                    residualSquares[at] = r.dot(r);
                    targets[at] = tolerance * r.norm();
                    active[at] = residualSquares[at] > 0;
                }
            }
        }
    }

    private int iterate(State state) {
        WeightedSums product = product(state.direction());
        int iterations = 0;
        for (int[] ranges = activeRanges();
                ranges.length > 0 && iterations < maxIterations();
                ranges = activeRanges()) {
            product.run(
                    ranges,
                    (rangeIndex, b, set, column, p, norm, gp, factor) ->
                            step(rangeIndex, b, column, state, p, gp, factor));
            iterations++;
        }
        return iterations;
    }

    private int[] activeRanges() {
        return IntStream.range(0, context.plan().ranges().size())
                .filter(r -> {
                    BlockRange range = context.plan().ranges().get(r);
                    return IntStream.range(at(range.firstBlock(), 0), at(range.endBlock(), 0))
                            .anyMatch(at -> active[at]);
                })
                .toArray();
    }

    /** Twice the rank, which is enough in exact arithmetic, and some more. */
    private int maxIterations() {
        int widest = context.plan().ranges().stream()
                .mapToInt(ScanContext::widest)
                .max()
                .orElse(0);
        return 2 * (int) Math.min(context.samples().sampleCount(), widest) + SPARE_ITERATIONS;
    }

    private void step(int rangeIndex, int b, int column, State state, BlockVector p, BlockVector gp, double factor) {
        int l = context.plan().ranges().get(rangeIndex).firstBlock() + b;
        int at = at(l, column);
        if (!active[at]) {
            return;
        }
        gp.combine(factor * WeightedSums.scale(context.samples().statistics(), l), lambda(column)[l], p);
        double length = residualSquares[at] / gp.dot(p);
        if (!Double.isFinite(length)) {
            active[at] = false; // no further without leaving float64; the residual tells
            return;
        }
        BlockVector r = state.residual().get(l, column);
        state.solution().get(l, column).combine(1, length, p);
        r.combine(1, -length, gp);
        double squares = r.dot(r);
        state.direction().get(l, column).combine(squares / residualSquares[at], 1, r);
        residualSquares[at] = squares;
        active[at] = Math.sqrt(squares) > targets[at];
    }

    private void measure(int rangeIndex, int b, int column, BlockVector x, BlockVector gx, double factor) {
        BlockRange range = context.plan().ranges().get(rangeIndex);
        int l = range.firstBlock() + b;
        double lambda = lambda(column)[l];
        try (Arena arena = Arena.ofConfined()) {
            BlockVector residual = new BlockVector(range.width(b), arena);
            double norm = validation.load(range, b, column, residual);
            residual.combine(1, -factor * WeightedSums.scale(context.samples().statistics(), l), gx);
            residual.combine(1, -lambda, x);
            residuals[at(l, column)] = norm == 0 ? 0 : residual.norm() / norm;
            errors[at(l, column)] = residual.norm() / lambda;
        }
    }

    private void report(int iterations) {
        double[] greatestNorms = new double[context.samples().layout().blockCount()];
        for (BlockRange range : context.plan().ranges()) {
            for (int l = range.firstBlock(); l < range.endBlock(); l++) {
                greatestNorms[l] = context.samples().greatestNorm(l);
            }
        }
        for (int column = 0; column < columns.columnCount(); column++) {
            double worst = 0;
            double error = 0;
            for (int l = 0; l < greatestNorms.length; l++) {
                worst = Math.max(worst, residuals[at(l, column)]);
                error += greatestNorms[l] * errors[at(l, column)];
            }
            boolean converged = worst <= TOLERANCE_MARGIN * tolerance;
            DampingAnswer damping = columns.damping(column);
            damping.addReport(new SolverReport(converged, iterations, worst, Solver.CONJUGATE_GRADIENTS.label()));
            damping.addExact(columns.point(column), 0, error);
        }
    }

    private double[] lambda(int column) {
        return columns.damping(column).lambda();
    }

    private int at(int block, int column) {
        return block * columns.columnCount() + column;
    }
}
