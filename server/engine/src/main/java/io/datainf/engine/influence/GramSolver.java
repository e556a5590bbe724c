package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.DenseMatrix;
import io.datainf.engine.kernel.SymmetricMatrix;
import java.lang.foreign.Arena;
import java.util.List;

/*
 * With the rows g_k of a block as the matrix B [n, d] and K = B B': B (B'B/n + lambda)^-1 v = (K/n + lambda)^-1 B v = y, and the scores are -y. h itself is
 * wanted for its norm only: h = (v - B'y/n) / lambda.
 *
 * Error: with p = (K/n + lambda) y - B v as computed, |y - exact y| <= |p| / lambda since K is positive semidefinite; and v - (G + lambda) h = B'p / (n lambda), whose
 * norm is sqrt(p'Kp) / (n lambda). To |p| comes what rounding does to K and B v.
 */
/** EXACT in the n x n form, for n < d: Cholesky of K_l / n + lambda_l I with the products K_l of all samples. O(n^2 d + n^3). */
final class GramSolver {

    private static final int ELEMENTS_PER_TASK = 32;
    private static final int SAMPLES_PER_TASK = 256;

    private final InfluenceRequest request;
    private final List<DampingAnswer> answers;
    private final ScanContext context;
    private final SampleSet samples;
    private final double tolerance;
    private final int[] live;
    private final int points;

    /**
     * Prepares a solver.
     *
     * @param tolerance relative residual up to which an answer counts as converged
     * @param answers receive the scores
     * @param context with kernels of float64
     */
    GramSolver(InfluenceRequest request, double tolerance, List<DampingAnswer> answers, ScanContext context) {
        this.request = request;
        this.answers = answers;
        this.context = context;
        this.samples = request.samples();
        this.tolerance = tolerance;
        this.live = samples.liveOrdinals();
        this.points = request.validationCount();
    }

    /**
     * What is known of one block.
     *
     * @param products K
     * @param bv B v, [n, points]
     * @param squaredNorms |v|^2, [1, points]
     */
    private record BlockSystem(int block, SymmetricMatrix products, DenseMatrix bv, DenseMatrix squaredNorms) {}

    /** Adds the scores of a block for all points and dampings. */
    void solve(int block) {
        int n = live.length;
        try (Arena arena = Arena.ofShared()) {
            WidenedSamples widened = new WidenedSamples(context, block, SolverChoice.PANEL_DEPTH, n, arena);
            BlockSystem system = new BlockSystem(
                    block,
                    new SymmetricMatrix(n, arena, context.work()::check),
                    new DenseMatrix(n, points, arena),
                    new DenseMatrix(1, points, arena));
            DenseMatrix y = new DenseMatrix(n, answers.size() * points, arena);
            formProducts(system, widened, arena);
            SymmetricMatrix factor = new SymmetricMatrix(n, arena, context.work()::check);
            for (int a = 0; a < answers.size(); a++) {
                DampingAnswer answer = answers.get(a);
                new CholeskyFactor(context).compute(block, system.products, factor, 1.0 / n, answer.lambda()[block]);
                solve(system, factor, answer, y.columns(a * points, points));
            }
            addNorms(block, widened, y, arena);
        }
    }

    /** K, B v and |v|^2, from pieces of the elements. */
    private void formProducts(BlockSystem system, WidenedSamples widened, Arena arena) {
        int n = live.length;
        int width = samples.layout().width(system.block);
        DenseMatrix columns = new DenseMatrix(SolverChoice.PANEL_DEPTH, points, arena);
        int tasks = Math.ceilDiv(n, SAMPLES_PER_TASK);
        for (int first = 0; first < width; first += SolverChoice.PANEL_DEPTH) {
            int depth = Math.min(SolverChoice.PANEL_DEPTH, width - first);
            DenseMatrix rows = widened.load(first, depth, 0, n);
            DenseMatrix v = columns.part(0, 0, depth, points);
            loadValidation(system.block, first, v);
            for (int j = 0; j < points; j++) {
                system.squaredNorms.set(0, j, system.squaredNorms.get(0, j) + v.dot(j, v));
            }
            context.pool().forEach(tasks, context.work(), (double) n * depth * points, task -> {
                int sample = task * SAMPLES_PER_TASK;
                int count = Math.min(SAMPLES_PER_TASK, n - sample);
                system.bv.part(sample, 0, count, points).addTransposedProduct(1, rows.columns(sample, count), v);
            });
            context.pool()
                    .forEach(
                            system.products.pairCount(),
                            context.work(),
                            0.5 * n * n * depth,
                            pair -> system.products.addProductsOfColumns(pair, rows));
        }
    }

    /** Solves for all points, checks and adds the scores. */
    private void solve(BlockSystem system, SymmetricMatrix factor, DampingAnswer answer, DenseMatrix y) {
        int together = SolverChoice.SOLVED_TOGETHER;
        double cost = SolverChoice.GRAM_PASSES * live.length * live.length * points;
        SolverReport[] reports = new SolverReport[points];
        context.pool().forEach(Math.ceilDiv(points, together), context.work(), cost, task -> {
            int first = task * together;
            int count = Math.min(together, points - first);
            DenseMatrix part = y.columns(first, count);
            part.copy(system.bv.columns(first, count));
            factor.solve(part, context.work()::check);
            check(system, answer, first, part, reports);
            for (int j = 0; j < count; j++) {
                addScores(system.block, answer, first + j, part, j);
            }
        });
        List.of(reports).forEach(answer::addReport);
    }

    private void check(
            BlockSystem system, DampingAnswer answer, int firstPoint, DenseMatrix y, SolverReport[] reports) {
        int n = live.length;
        double lambda = answer.lambda()[system.block];
        double meanSquare = samples.statistics().squaredNormSums()[system.block] / n;
        try (Arena arena = Arena.ofConfined()) {
            DenseMatrix p = new DenseMatrix(n, y.columnCount(), arena);
            DenseMatrix kp = new DenseMatrix(n, y.columnCount(), arena);
            system.products.multiply(y, p, context.work()::check);
            p.combine(1.0 / n, lambda, y, -1, system.bv.columns(firstPoint, y.columnCount()));
            system.products.multiply(p, kp, context.work()::check);
            for (int j = 0; j < y.columnCount(); j++) {
                double norm = Math.sqrt(system.squaredNorms.get(0, firstPoint + j));
                double pkp = Math.max(p.dot(j, kp), 0);
                double residual = norm == 0 ? 0 : Math.sqrt(pkp) / n / lambda / norm;
                double rounding = context.kernels().relativeError()
                        * (Math.sqrt(n * meanSquare) * norm + meanSquare * Math.sqrt(y.dot(j, y)));
                answer.addExact(firstPoint + j, 0, (Math.sqrt(p.dot(j, p)) + rounding) / lambda);
                reports[firstPoint + j] = new SolverReport(residual <= tolerance, 0, residual, Solver.GRAM.label());
            }
        }
    }

    private void addScores(int block, DampingAnswer answer, int point, DenseMatrix y, int column) {
        double[] scores = new double[samples.rowCount()];
        for (int k = 0; k < live.length; k++) {
            scores[live[k]] = -y.get(k, column) + 0.0; // no -0
        }
        answer.table().addScores(point, 0, scores, 0, scores.length);
        for (int k = 0; answer.table().perBlock() && k < live.length; k++) {
            answer.table().setTerm(block, point, live[k], scores[live[k]]);
        }
    }

    /** |h| of all points and dampings, from h = (v - B'y/n) / lambda, piece by piece. */
    private void addNorms(int block, WidenedSamples widened, DenseMatrix y, Arena arena) {
        int n = live.length;
        int width = samples.layout().width(block);
        DenseMatrix columns = new DenseMatrix(SolverChoice.PANEL_DEPTH, y.columnCount(), arena);
        double[] squares = new double[y.columnCount()];
        for (int first = 0; first < width; first += SolverChoice.PANEL_DEPTH) {
            int depth = Math.min(SolverChoice.PANEL_DEPTH, width - first);
            DenseMatrix rows = widened.load(first, depth, 0, n);
            DenseMatrix h = columns.part(0, 0, depth, y.columnCount());
            for (int a = 0; a < answers.size(); a++) {
                loadValidation(block, first, h.columns(a * points, points));
            }
            double cost = (double) y.columnCount() * n * depth;
            context.pool().forEach(Math.ceilDiv(depth, ELEMENTS_PER_TASK), context.work(), cost, task -> {
                int element = task * ELEMENTS_PER_TASK;
                int count = Math.min(ELEMENTS_PER_TASK, depth - element);
                h.part(element, 0, count, y.columnCount()).addProduct(-1.0 / n, rows.part(element, 0, count, n), y);
            });
            for (int column = 0; column < squares.length; column++) {
                squares[column] += h.dot(column, h);
            }
        }
        for (int column = 0; column < squares.length; column++) {
            DampingAnswer answer = answers.get(column / points);
            answer.addExact(column % points, Math.sqrt(squares[column]) / answer.lambda()[block], 0);
        }
    }

    /** Loads elements of all validation points, [elements, points]. */
    private void loadValidation(int block, int firstElement, DenseMatrix target) {
        try (Arena arena = Arena.ofConfined()) {
            BlockVector v = new BlockVector(target.rowCount(), arena);
            for (int j = 0; j < points; j++) {
                long row = (long) j * samples.layout().dimension();
                long element = row + samples.layout().offset(block) + firstElement;
                v.load(request.validationGradients(), element, target.rowCount());
                target.setColumn(j, v);
            }
        }
    }
}
