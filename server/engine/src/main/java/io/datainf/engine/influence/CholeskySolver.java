package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.DenseMatrix;
import io.datainf.engine.kernel.SymmetricMatrix;
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

    /** G n and the factor of G + lambda, with the context of their block. */
    private record BlockSystem(ScanContext context, SymmetricMatrix products, SymmetricMatrix factor) {

        int order() {
            return products.order();
        }
    }

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
            SymmetricMatrix products = formProducts(block, arena);
            SymmetricMatrix factor = new SymmetricMatrix(products.order(), arena, whole.work()::check);
            BlockSystem system = new BlockSystem(context, products, factor);
            double scale = 1.0 / samples.sampleCount();
            for (DampingAnswer answer : answers) {
                new CholeskyFactor(context).compute(block, products, factor, scale, answer.lambda()[block]);
                for (int point = 0; point < request.validationCount(); point += Computation.MAX_COLUMNS) {
                    int end = Math.min(point + Computation.MAX_COLUMNS, request.validationCount());
                    ColumnGroup group =
                            new ColumnGroup(IntStream.range(point, end).toArray(), List.of(answer));
                    try (InverseHvp hvp = solve(system, group)) {
                        scorer.score(context, hvp, group);
                    }
                }
            }
        }
    }

    private SymmetricMatrix formProducts(int block, Arena arena) {
        int width = samples.layout().width(block);
        SymmetricMatrix products = new SymmetricMatrix(width, arena, whole.work()::check);
        WidenedSamples widened = new WidenedSamples(whole, block, width, SolverChoice.PANEL_DEPTH, arena);
        for (int first = 0; first < widened.sampleCount(); first += SolverChoice.PANEL_DEPTH) {
            int depth = Math.min(SolverChoice.PANEL_DEPTH, widened.sampleCount() - first);
            DenseMatrix rows = widened.load(0, width, first, depth);
            whole.pool()
                    .forEach(
                            products.pairCount(),
                            whole.work(),
                            0.5 * width * width * depth,
                            pair -> products.addProductsOfRows(pair, rows));
        }
        return products;
    }

    private InverseHvp solve(BlockSystem system, ColumnGroup group) {
        InverseHvp hvp = new InverseHvp(system.context, group.columnCount(), InverseHvp.PerColumn.ONE);
        try {
            int together = SolverChoice.SOLVED_TOGETHER;
            double cost = SolverChoice.CHOLESKY_PASSES * system.order() * system.order() * group.columnCount();
            SolverReport[] reports = new SolverReport[group.columnCount()];
            whole.pool().forEach(Math.ceilDiv(reports.length, together), whole.work(), cost, task -> {
                int first = task * together;
                int count = Math.min(together, reports.length - first);
                solve(system, group, first, count, hvp, reports);
            });
            List.of(reports).forEach(group.dampings().getFirst()::addReport);
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    /** Solves for some columns together, and tells {@code hvp} and the damping what comes of it. */
    private void solve(
            BlockSystem system, ColumnGroup group, int first, int count, InverseHvp hvp, SolverReport[] reports) {
        BlockRange range = system.context.plan().ranges().getFirst();
        ColumnSource validation = new ValidationColumns(request, group.points());
        double lambda = group.damping(first).lambda()[range.firstBlock()];
        double greatestNorm = samples.greatestNorm(range.firstBlock());
        try (Arena arena = Arena.ofConfined()) {
            BlockVector vector = new BlockVector(system.order(), arena);
            DenseMatrix v = new DenseMatrix(system.order(), count, arena);
            DenseMatrix h = new DenseMatrix(system.order(), count, arena);
            DenseMatrix residual = new DenseMatrix(system.order(), count, arena);
            for (int j = 0; j < count; j++) {
                validation.load(range, 0, first + j, vector);
                v.setColumn(j, vector);
            }
            h.copy(v);
            system.factor.solve(h, whole.work()::check);
            system.products.multiply(h, residual, whole.work()::check);
            residual.combine(-1.0 / samples.sampleCount(), 1, v, -lambda, h);
            for (int j = 0; j < count; j++) {
                h.getColumn(j, vector);
                hvp.set(range, 0, first + j, 0, vector, whole.roundingError().ofProduct(vector), 0);
                double norm = Math.sqrt(v.dot(j, v));
                double residualNorm = Math.sqrt(residual.dot(j, residual));
                group.damping(first + j).addExact(group.point(first + j), 0, greatestNorm * residualNorm / lambda);
                double relative = norm == 0 ? 0 : residualNorm / norm;
                reports[first + j] = new SolverReport(relative <= tolerance, 0, relative, Solver.CHOLESKY.label());
            }
        }
    }
}
