package io.datainf.engine.influence;

import io.datainf.engine.kernel.SymmetricTiles;
import io.datainf.engine.kernel.TilePanels;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which solver takes which block: of those that fit the memory allowed, the one that is cheapest, in multiplications.
 *
 * @param solver the solver
 * @param byteCount memory that it needs at least
 * @param cost multiplications, those of dense matrices
 */
record SolverChoice(Solver solver, double byteCount, double cost) {

    /** Elements or samples that are widened at a time to form products. */
    static final int PANEL_DEPTH = 256;

    // A pass over the rows in float64 takes this much longer for a multiplication than the products of tiles do.
    private static final double PASS_SLOWNESS = 4;
    private static final int VECTORS_OF_CONJUGATE_GRADIENTS = 6;

    /** Ways to solve (G_l + lambda_l I) h_l = v_l. */
    enum Solver {
        /** Cholesky of the n x n matrix K_l / n + lambda_l I, K_l the inner products of samples. */
        GRAM("gram"),
        /** Cholesky of the d_l x d_l matrix G_l + lambda_l I. */
        CHOLESKY("cholesky"),
        /** Conjugate gradients. */
        CONJUGATE_GRADIENTS("cg");

        private final String label;

        Solver(String label) {
            this.label = label;
        }

        /** Name in reports. */
        String label() {
            return label;
        }
    }

    /**
     * Chooses for one block that is not skipped.
     *
     * @param forced the solver to take regardless of cost; null for the cheapest
     * @throws MemoryLimitException if none fits
     */
    static SolverChoice choose(
            InfluenceRequest request,
            InfluenceMethod.Exact method,
            List<DampingAnswer> answers,
            int block,
            @Nullable Solver forced) {
        List<SolverChoice> choices = List.of(
                gram(request, answers.size(), block),
                cholesky(request, answers.size(), block),
                conjugateGradients(request, method, answers, block));
        SolverChoice best = null;
        double least = Double.POSITIVE_INFINITY;
        for (SolverChoice choice : choices) {
            if (forced == null || choice.solver == forced) {
                least = Math.min(least, choice.byteCount);
                boolean fits = choice.byteCount <= method.memoryLimitBytes();
                best = fits && (best == null || choice.cost < best.cost) ? choice : best;
            }
        }
        if (best == null) {
            throw new MemoryLimitException((long) least, method.memoryLimitBytes());
        }
        return best;
    }

    private static SolverChoice gram(InfluenceRequest request, int dampings, int block) {
        double n = request.samples().sampleCount();
        double d = request.samples().layout().width(block);
        double columns = (double) dampings * request.validationCount();
        double cost = n * n * d / 2 + dampings * n * n * n / 6 + columns * (4 * n * n + n * d);
        return new SolverChoice(Solver.GRAM, denseBytes((int) n, columns), cost);
    }

    private static SolverChoice cholesky(InfluenceRequest request, int dampings, int block) {
        double n = request.samples().sampleCount();
        int d = request.samples().layout().width(block);
        double columns = (double) dampings * request.validationCount();
        double cost = n * d * d / 2 + dampings * Math.pow(d, 3) / 6 + columns * (3.0 * d * d + PASS_SLOWNESS * n * d);
        return new SolverChoice(Solver.CHOLESKY, denseBytes(d, Computation.MAX_COLUMNS), cost);
    }

    /** Products, their factor, panels, and some vectors for each column. */
    private static double denseBytes(int order, double columns) {
        double vectors = 3.0 * Double.BYTES * order * columns;
        int panels = SymmetricTiles.tileCount(order);
        return 2.0 * SymmetricTiles.byteCount(order) + TilePanels.byteCount(panels, PANEL_DEPTH) + vectors;
    }

    private static SolverChoice conjugateGradients(
            InfluenceRequest request, InfluenceMethod.Exact method, List<DampingAnswer> answers, int block) {
        SampleSet samples = request.samples();
        double passes = 0;
        for (DampingAnswer answer : answers) {
            passes += iterations(samples, method.tolerance(), answer.lambda()[block], block);
        }
        double elements = (double) samples.sampleCount() * samples.layout().width(block);
        double cost = PASS_SLOWNESS * 2 * elements * passes * request.validationCount();
        return new SolverChoice(
                Solver.CONJUGATE_GRADIENTS,
                conjugateGradientBytes(samples.layout().width(block)),
                cost);
    }

    /** Bytes that one column of conjugate gradients takes over some elements. */
    static double conjugateGradientBytes(int elements) {
        return (double) VECTORS_OF_CONJUGATE_GRADIENTS * Double.BYTES * elements;
    }

    /** Iterations that conjugate gradients take at most in exact arithmetic: the rank, or what the condition number asks for. */
    static int iterations(SampleSet samples, double tolerance, double lambda, int block) {
        double meanSquare = samples.statistics().squaredNormSums()[block] / samples.sampleCount();
        double condition = 1 + meanSquare / lambda;
        double rank = Math.min(samples.sampleCount(), samples.layout().width(block)) + 1.0;
        return (int) Math.ceil(Math.min(rank, 0.5 * Math.sqrt(condition) * Math.log(2 / tolerance)));
    }
}
