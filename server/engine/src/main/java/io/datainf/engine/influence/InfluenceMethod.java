package io.datainf.engine.influence;

/** How the inverse Hessian-vector product h is approximated, block by block. G_l = 1/n sum_i g_{i,l} g_{i,l}'. */
public sealed interface InfluenceMethod {

    /**
     * DataInf (Kwon et al., ICLR 2024, arXiv 2310.00902): r_l = 1/n sum_i (v_l . g_{i,l}) / (lambda_l + q_{i,l}) g_{i,l} and
     * h_l = (v_l - r_l) / lambda_l.
     */
    record DataInf() implements InfluenceMethod {}

    /** h = v: the paper's Hessian-free baseline. */
    record HessianFree() implements InfluenceMethod {}

    /**
     * LiSSA: R <- R + alpha (v - G R - lambda R) from R = v, h = R after the last step. Converges to (G + lambda I)^-1 v if and
     * only if 0 < alpha < 2 / (|G| + lambda).
     *
     * @param iterations steps; at least 1
     * @param alpha step size; finite and greater than 0
     */
    record Lissa(int iterations, double alpha) implements InfluenceMethod {

        /** Steps of the paper's experiments. */
        public static final int DEFAULT_ITERATIONS = 10;

        /** Step size of the paper's experiments. */
        public static final double DEFAULT_ALPHA = 1;

        /** The paper's settings. */
        public static final Lissa DEFAULT = new Lissa(DEFAULT_ITERATIONS, DEFAULT_ALPHA);

        public Lissa {
            requireSteps(iterations, alpha);
        }
    }

    /**
     * LiSSA as the authors' code has it, with the wrong sign on lambda R: R <- R + alpha (v - G R + lambda R). For parity with
     * that code only.
     *
     * @param iterations steps; at least 1
     * @param alpha step size; finite and greater than 0
     */
    record LissaReference(int iterations, double alpha) implements InfluenceMethod {

        /** The authors' settings. */
        public static final LissaReference DEFAULT = new LissaReference(Lissa.DEFAULT_ITERATIONS, Lissa.DEFAULT_ALPHA);

        public LissaReference {
            requireSteps(iterations, alpha);
        }
    }

    /**
     * h_l = (G_l + lambda_l I)^-1 v_l, solved in float64 by whatever is cheapest within the memory allowed: Cholesky of an n x n or of
     * a d_l x d_l matrix, or conjugate gradients.
     *
     * @param tolerance relative residual at which conjugate gradients stop, and up to which any solver's answer counts as
     *     converged; greater than 0, less than 1
     * @param memoryLimitBytes bytes that the solver may take beside rows and scores; at least 1
     */
    record Exact(double tolerance, long memoryLimitBytes) implements InfluenceMethod {

        /** Relative residual at which conjugate gradients stop. */
        public static final double DEFAULT_TOLERANCE = 1e-6;

        /** Bytes that the solver may take: 1 GiB. */
        public static final long DEFAULT_MEMORY_LIMIT_BYTES = 1L << 30;

        /** Default tolerance and memory. */
        public static final Exact DEFAULT = new Exact(DEFAULT_TOLERANCE, DEFAULT_MEMORY_LIMIT_BYTES);

        public Exact {
            if (!(tolerance > 0 && tolerance < 1)) {
                throw new IllegalArgumentException("tolerance is %s: expected between 0 and 1".formatted(tolerance));
            }
            if (memoryLimitBytes < 1) {
                throw new IllegalArgumentException(
                        "memoryLimitBytes is %d: expected at least 1".formatted(memoryLimitBytes));
            }
        }
    }

    private static void requireSteps(int iterations, double alpha) {
        if (iterations < 1) {
            throw new IllegalArgumentException("iterations is %d: expected at least 1".formatted(iterations));
        }
        if (!(alpha > 0) || Double.isInfinite(alpha)) {
            throw new IllegalArgumentException("alpha is %s: expected a finite number greater than 0".formatted(alpha));
        }
    }
}
