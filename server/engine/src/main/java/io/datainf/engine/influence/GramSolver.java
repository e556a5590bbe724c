package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.SymmetricTiles;
import io.datainf.engine.kernel.TilePanels;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.function.IntConsumer;

/*
 * With the rows g_k of a block as the matrix B [n, d] and K = B B': B (B'B/n + lambda)^-1 v = (K/n + lambda)^-1 B v = y, and the scores are -y. h itself is
 * wanted for its norm only: h = (v - B'y/n) / lambda.
 *
 * Error: with p = (K/n + lambda) y - B v as computed, |y - exact y| <= |p| / lambda since K is positive semidefinite; and v - (G + lambda) h = B'p / (n lambda), whose
 * norm is sqrt(p'Kp) / (n lambda). To |p| comes what rounding does to K and B v.
 */
/** EXACT in the n x n form, for n < d: Cholesky of K_l / n + lambda_l I with the products K_l of all samples. O(n^2 d + n^3). */
final class GramSolver {

    private final InfluenceRequest request;
    private final List<DampingAnswer> answers;
    private final ScanContext context;
    private final SampleSet samples;
    private final double tolerance;
    private final int[] live;

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
    }

    /** Adds the scores of a block for all points and dampings. */
    void solve(int block) {
        try (Arena arena = Arena.ofShared()) {
            SymmetricTiles products = new SymmetricTiles(live.length, arena);
            SymmetricTiles factor = new SymmetricTiles(live.length, arena);
            TilePanels panels = new TilePanels(products.tileCount(), SolverChoice.PANEL_DEPTH, arena);
            double[] norms = validationNorms(block);
            double[][] bv = new double[norms.length][products.paddedOrder()];
            double[][] y = new double[answers.size() * norms.length][];
            formProducts(block, panels, products, bv);
            for (int a = 0; a < answers.size(); a++) {
                int first = a * norms.length;
                double lambda = answers.get(a).lambda()[block];
                new CholeskyFactor(context).compute(block, products, factor, 1.0 / live.length, lambda);
                DampingAnswer answer = answers.get(a);
                SolverReport[] reports = new SolverReport[norms.length];
                double cost = 4.0 * live.length * live.length * norms.length;
                context.pool().forEach(norms.length, context.work(), cost, j -> {
                    y[first + j] = bv[j].clone();
                    factor.solve(y[first + j]);
                    reports[j] = check(block, answer, j, products, bv[j], y[first + j], norms[j]);
                    addScores(block, answer, j, y[first + j]);
                });
                List.of(reports).forEach(answer::addReport);
            }
            addNorms(block, panels, y);
        }
    }

    /** K and B v, from pieces of the elements. */
    private void formProducts(int block, TilePanels panels, SymmetricTiles products, double[][] bv) {
        int width = samples.layout().width(block);
        double share = (double) live.length * live.length / 2;
        for (int first = 0; first < width; first += SolverChoice.PANEL_DEPTH) {
            int element = first;
            int depth = pack(block, first, panels, panel -> {
                try (Arena arena = Arena.ofConfined()) {
                    BlockVector v = new BlockVector(SolverChoice.PANEL_DEPTH, arena);
                    for (int j = 0; j < bv.length; j++) {
                        loadValidation(j, block, element, Math.min(SolverChoice.PANEL_DEPTH, width - element), v);
                        panels.addDots(panel, v, bv[j]);
                    }
                }
            });
            context.pool()
                    .forEach(
                            products.pairCount(),
                            context.work(),
                            share * depth,
                            pair -> products.addProducts(pair, panels));
        }
    }

    /** Packs one piece of the elements of all samples; then does what is asked with each panel. Returns the elements of the piece. */
    private int pack(int block, int first, TilePanels panels, IntConsumer then) {
        int depth = Math.min(SolverChoice.PANEL_DEPTH, samples.layout().width(block) - first);
        panels.resize(depth);
        context.pool().forEach(SymmetricTiles.tileCount(live.length), context.work(), 0, panel -> {
            panels.packSamples(
                    panel, samples.gradients(), live, samples.layout().offset(block) + first);
            then.accept(panel);
        });
        return depth;
    }

    private SolverReport check(
            int block, DampingAnswer answer, int point, SymmetricTiles products, double[] bv, double[] y, double norm) {
        double lambda = answer.lambda()[block];
        double[] p = new double[y.length];
        products.multiply(y, p);
        for (int k = 0; k < live.length; k++) {
            p[k] = p[k] / live.length + lambda * y[k] - bv[k];
        }
        double[] kp = new double[y.length];
        products.multiply(p, kp);
        double pkp = Math.max(dot(p, kp), 0);
        double residual = norm == 0 ? 0 : Math.sqrt(pkp) / live.length / lambda / norm;
        double meanSquare = samples.statistics().squaredNormSums()[block] / live.length;
        double rounding = context.kernels().relativeError()
                * (Math.sqrt(live.length * meanSquare) * norm + meanSquare * Math.sqrt(dot(y, y)));
        answer.addExact(point, 0, (Math.sqrt(dot(p, p)) + rounding) / lambda);
        return new SolverReport(residual <= tolerance, 0, residual, Solver.GRAM.label());
    }

    private void addScores(int block, DampingAnswer answer, int point, double[] y) {
        double[] scores = new double[samples.rowCount()];
        for (int k = 0; k < live.length; k++) {
            scores[live[k]] = -y[k] + 0.0; // no -0
        }
        answer.table().addScores(point, 0, scores, 0, scores.length);
        for (int k = 0; answer.table().perBlock() && k < live.length; k++) {
            answer.table().setTerm(block, point, live[k], scores[live[k]]);
        }
    }

    /** |h| of all points and dampings, from h = (v - B'y/n) / lambda, piece by piece. */
    private void addNorms(int block, TilePanels panels, double[][] y) {
        int points = request.validationCount();
        double[] squares = new double[y.length];
        for (int first = 0; first < samples.layout().width(block); first += SolverChoice.PANEL_DEPTH) {
            int element = first;
            int depth = pack(block, first, panels, panel -> {});
            double cost = (double) y.length * live.length * depth;
            context.pool().forEach(y.length, context.work(), cost, column -> {
                try (Arena arena = Arena.ofConfined()) {
                    BlockVector v = new BlockVector(depth, arena);
                    BlockVector sum = new BlockVector(depth, arena);
                    loadValidation(column % points, block, element, depth, v);
                    panels.sumLanes(y[column], sum);
                    v.combine(1, -1.0 / live.length, sum);
                    squares[column] += v.dot(v);
                }
            });
        }
        for (int column = 0; column < y.length; column++) {
            DampingAnswer answer = answers.get(column / points);
            answer.addExact(column % points, Math.sqrt(squares[column]) / answer.lambda()[block], 0);
        }
    }

    private double[] validationNorms(int block) {
        double[] norms = new double[request.validationCount()];
        ValidationColumns validation = ValidationColumns.all(request);
        BlockRange range = new BlockRange(samples.layout(), block, block + 1);
        context.pool().forEach(norms.length, context.work(), 0, j -> {
            try (Arena arena = Arena.ofConfined()) {
                norms[j] = validation.load(range, 0, j, new BlockVector(range.elementCount(), arena));
            }
        });
        return norms;
    }

    private void loadValidation(int point, int block, int element, int count, BlockVector target) {
        long row = (long) point * samples.layout().dimension();
        target.load(request.validationGradients(), row + samples.layout().offset(block) + element, count);
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
