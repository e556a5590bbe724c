package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.SymmetricTiles;
import io.datainf.engine.kernel.TilePanels;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;

/** EXACT in the d x d form, for small d: Cholesky of G_l + lambda_l I. O(n d^2 + d^3). */
final class CholeskySolver {

    private final InfluenceRequest request;
    private final double tolerance;
    private final List<DampingAnswer> answers;
    private final Scorer scorer;
    private final ScanContext whole;
    private final SampleSet samples;

    /** Adds the scores of the blocks of a context. */
    @FunctionalInterface
    interface Scorer {
        void score(ScanContext context, InverseHvp hvp, ColumnGroup group);
    }

    /**
     * Prepares a solver.
     *
     * @param tolerance relative residual up to which an answer counts as converged
     * @param answers receive what is found
     * @param scorer turns h into scores
     * @param whole context with kernels of float64
     */
    CholeskySolver(
            InfluenceRequest request, double tolerance, List<DampingAnswer> answers, Scorer scorer, ScanContext whole) {
        this.tolerance = tolerance;
        this.request = request;
        this.answers = answers;
        this.scorer = scorer;
        this.whole = whole;
        this.samples = request.samples();
    }

    /** Adds the scores of a block for all points and dampings. */
    void solve(int block) {
        ScanContext context = ExactComputation.context(whole, List.of(block));
        try (Arena arena = Arena.ofShared()) {
            int width = samples.layout().width(block);
            SymmetricTiles products = new SymmetricTiles(width, arena);
            SymmetricTiles factor = new SymmetricTiles(width, arena);
            formProducts(block, products, arena);
            double scale = 1.0 / samples.sampleCount();
            for (DampingAnswer answer : answers) {
                new CholeskyFactor(context).compute(block, products, factor, scale, answer.lambda()[block]);
                for (int point = 0; point < request.validationCount(); point += Computation.MAX_COLUMNS) {
                    int end = Math.min(point + Computation.MAX_COLUMNS, request.validationCount());
                    ColumnGroup group =
                            new ColumnGroup(IntStream.range(point, end).toArray(), List.of(answer));
                    try (InverseHvp hvp = solve(context, products, factor, group)) {
                        scorer.score(context, hvp, group);
                    }
                }
            }
        }
    }

    private void formProducts(int block, SymmetricTiles products, Arena arena) {
        int width = samples.layout().width(block);
        int offset = samples.layout().offset(block);
        int[] live = samples.liveOrdinals();
        TilePanels panels = new TilePanels(products.tileCount(), SolverChoice.PANEL_DEPTH, arena);
        double share = (double) width * width / 2;
        for (int first = 0; first < live.length; first += SolverChoice.PANEL_DEPTH) {
            int from = first;
            int depth = Math.min(SolverChoice.PANEL_DEPTH, live.length - first);
            panels.resize(depth);
            whole.pool()
                    .forEach(
                            products.tileCount(),
                            whole.work(),
                            0,
                            panel -> panels.packElements(panel, samples.gradients(), live, from, offset, width));
            whole.pool()
                    .forEach(
                            products.pairCount(),
                            whole.work(),
                            share * depth,
                            pair -> products.addProducts(pair, panels));
        }
    }

    private InverseHvp solve(ScanContext context, SymmetricTiles products, SymmetricTiles factor, ColumnGroup group) {
        InverseHvp hvp = new InverseHvp(context, group.columnCount(), InverseHvp.PerColumn.ONE);
        try {
            ColumnSource validation = new ValidationColumns(request, group.points());
            SolverReport[] reports = new SolverReport[group.columnCount()];
            whole.pool()
                    .forEach(
                            reports.length,
                            whole.work(),
                            0,
                            column ->
                                    reports[column] = solve(context, products, factor, group, validation, column, hvp));
            List.of(reports).forEach(group.dampings().getFirst()::addReport);
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    private SolverReport solve(
            ScanContext context,
            SymmetricTiles products,
            SymmetricTiles factor,
            ColumnGroup group,
            ColumnSource validation,
            int column,
            InverseHvp hvp) {
        BlockRange range = context.plan().ranges().getFirst();
        DampingAnswer answer = group.damping(column);
        double lambda = answer.lambda()[range.firstBlock()];
        try (Arena arena = Arena.ofConfined()) {
            BlockVector v = new BlockVector(range.elementCount(), arena);
            BlockVector residual = new BlockVector(range.elementCount(), arena);
            double norm = validation.load(range, 0, column, v);
            double[] h = new double[products.paddedOrder()];
            double[] gh = new double[products.paddedOrder()];
            v.store(h);
            factor.solve(h);
            products.multiply(h, gh);
            residual.load(gh, range.elementCount());
            residual.combine(-1.0 / samples.sampleCount(), 1, v);
            v.load(h, range.elementCount());
            residual.combine(1, -lambda, v);
            hvp.set(range, 0, column, 0, v, context.roundingError().ofProduct(v), 0);
            answer.addExact(
                    group.point(column), 0, samples.greatestNorm(range.firstBlock()) * residual.norm() / lambda);
            double relative = norm == 0 ? 0 : residual.norm() / norm;
            return new SolverReport(relative <= tolerance, 0, relative, Solver.CHOLESKY.label());
        }
    }
}
