package io.datainf.engine.influence;

import io.datainf.engine.kernel.DenseAlgebra;
import io.datainf.engine.kernel.SymmetricMatrix;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which solver takes which block: of those that fit the memory allowed, the one that is cheapest.
 *
 * @param solver the solver
 * @param byteCount memory that it needs at least
 * @param multiplications what it does, for the progress of the work
 * @param cost time that it takes, in multiplications of dense matrices
 */
record SolverChoice(Solver solver, double byteCount, double multiplications, double cost) {

    /** Elements or samples that are widened at a time to form products. */
    static final int PANEL_DEPTH = 256;

    /** Columns that are solved for with one reading of the factor. */
    static final int SOLVED_TOGETHER = 8;

    /** Multiplications for each entry of the n x n matrix, and column, to solve and to check the answer. */
    static final double GRAM_PASSES = 3;

    /** The same for the d x d matrix, whose answer takes less to check. */
    static final double CHOLESKY_PASSES = 2;

    // In multiplications of dense matrices, of which a thread does 20 a nanosecond (AMD EPYC 9004 with AVX-512).
    private static final double SOLVE_SLOWNESS = 3; // of a multiplication with few columns
    private static final double PASS_SLOWNESS = 9; // of a multiplication in a pass over the rows in float64
    private static final double PASS_READING = 25; // an element, in a pass
    private static final double WIDENING = 60; // an element
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
     * Chooses for one block that is not skipped. Loads OpenBLAS if a dense solver would be the cheapest. Dense solvers take the rows block by
     * block, which is out of the question where they come from files.
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
        List<SolverChoice> choices = request.samples().inMemory()
                ? List.of(
                        conjugateGradients(request, method, answers, block),
                        gram(request, answers.size(), block),
                        cholesky(request, answers.size(), block))
                : List.of(conjugateGradients(request, method, answers, block));
        SolverChoice best = null;
        double least = Double.POSITIVE_INFINITY;
        for (SolverChoice choice : choices) {
            if (forced == null || choice.solver == forced || choices.size() == 1) {
                least = Math.min(least, choice.byteCount);
                boolean fits = choice.byteCount <= method.memoryLimitBytes();
                boolean better = fits && (best == null || choice.cost < best.cost);
                best = better && choice.possible() ? choice : best;
            }
        }
        if (best == null) {
            throw new MemoryLimitException((long) least, method.memoryLimitBytes());
        }
        return best;
    }

    private boolean possible() {
        return solver == Solver.CONJUGATE_GRADIENTS || DenseAlgebra.available();
    }

    private static SolverChoice gram(InfluenceRequest request, int dampings, int block) {
        double n = request.samples().sampleCount();
        double d = request.samples().layout().width(block);
        double points = request.validationCount();
        double factoring = n * n * d / 2 + dampings * n * n * n / 6;
        double products = (dampings + 1) * points * n * d;
        double solving = GRAM_PASSES * dampings * points * n * n;
        double vectors = (dampings + 1 + 2.0) * points;
        return new SolverChoice(
                Solver.GRAM,
                denseBytes(n, vectors),
                factoring + products + solving,
                factoring + SOLVE_SLOWNESS * (products + solving) + 2 * WIDENING * n * d);
    }

    private static SolverChoice cholesky(InfluenceRequest request, int dampings, int block) {
        double n = request.samples().sampleCount();
        double d = request.samples().layout().width(block);
        double columns = (double) dampings * request.validationCount();
        double factoring = n * d * d / 2 + dampings * d * d * d / 6;
        double solving = CHOLESKY_PASSES * columns * d * d;
        double scores = columns * n * d;
        return new SolverChoice(
                Solver.CHOLESKY,
                denseBytes(d, 3.0 * Computation.MAX_COLUMNS),
                factoring + solving + scores,
                factoring + SOLVE_SLOWNESS * solving + dampings * passCost(request, block, 1) + WIDENING * n * d);
    }

    /** Products, their factor, widened rows, and some vectors. */
    private static double denseBytes(double order, double vectors) {
        return 2.0 * SymmetricMatrix.byteCount((int) order) + Double.BYTES * order * (PANEL_DEPTH + vectors);
    }

    private static SolverChoice conjugateGradients(
            InfluenceRequest request, InfluenceMethod.Exact method, List<DampingAnswer> answers, int block) {
        SampleSet samples = request.samples();
        double passes = 0;
        for (DampingAnswer answer : answers) {
            passes += iterations(samples, method.tolerance(), answer.lambda()[block], block);
        }
        double elements = (double) samples.sampleCount() * samples.layout().width(block);
        double multiplications = 2 * elements * passes * request.validationCount();
        return new SolverChoice(
                Solver.CONJUGATE_GRADIENTS,
                conjugateGradientBytes(samples.layout().width(block)),
                multiplications,
                passes * passCost(request, block, 2));
    }

    /** Cost of a pass over the rows for all points with some multiplications an element and point. */
    private static double passCost(InfluenceRequest request, int block, int multiplications) {
        double elements = (double) request.samples().sampleCount()
                * request.samples().layout().width(block);
        int readings = Math.ceilDiv(request.validationCount(), Computation.MAX_COLUMNS);
        return elements * (PASS_READING * readings + PASS_SLOWNESS * multiplications * request.validationCount());
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
