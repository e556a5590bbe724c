package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockVector;

/*
 * How far rounding moves a score, estimated from quantities that a computation has at hand anyway. Derivation and calibration:
 * server/docs/adr/0001-rounding-error-of-scores.md. In short, with e the precision of the kernels (GradientKernels.relativeError()):
 *
 * An inner product x . g of float32 loops errs by about e |x o g| (elementwise product): roundings of partial sums that wander at random. |x o g| <= |x|_inf |g|,
 * which is far less than |x| |g| unless one element dominates. Partial sums that all go one way add e |x . g|.
 *
 * Relative errors of the s_i = v . g_i, be they all alike as for repeated rows, move r . g_k by at most
 * e/n sum_i w_i |s_i| |g_i . g_k| <= e sqrt(1/n sum w_i s_i^2) sqrt(g_k' M g_k) <= e sqrt(v . r) |g_k|, since M = 1/n sum w_i g_i g_i' has trace <= 1 and
 * v . r = v' M v = 1/n sum w_i s_i^2. By the same inequality errors e |v|_inf |g_i| of the s_i move it by at most e |v|_inf |g_k|, and roundings of the running
 * sum r by about e sqrt(v . r) |g_k|.
 *
 * So one block errs by e |g_k| / lambda times sqrt(SPREAD^2 (|v|_inf^2 + |r|_inf^2 + |u|_inf^2) + v . r), and by e |term|. Blocks round independently of each other:
 * their errors add as squares. SPREAD covers several standard deviations, as the greatest of n errors wants.
 */
/** The model of rounding errors behind the choice between float32 and float64. */
final class RoundingError {

    /** Standard deviations, in units of e, that the random part of an error is taken at. */
    static final double SPREAD = 2;

    private RoundingError() {}

    /** Deviation of u . g for u rounded from what is known well, per unit of |g|. */
    static double ofVector(BlockVector u) {
        return SPREAD * u.greatest();
    }

    /**
     * Deviation of (v - r) . g, per unit of |g|.
     *
     * @param greatestV |v|_inf
     * @param greatestR |r|_inf
     * @param greatestU |v - r|_inf
     * @param vr v . r
     */
    static double ofDifference(double greatestV, double greatestR, double greatestU, double vr) {
        double greatest = Math.hypot(Math.hypot(greatestV, greatestR), greatestU);
        return Math.hypot(SPREAD * greatest, Math.sqrt(Math.max(vr, 0)));
    }

    /**
     * Deviation of y . g for y = 1/n sum_i (x . g_i) g_i, per unit of |g|.
     *
     * @param greatestX |x|_inf
     * @param xy x . y
     * @param meanSquare mean of q_i, which bounds |1/n sum g_i g_i'|
     */
    static double ofProduct(double greatestX, double xy, double meanSquare) {
        return Math.hypot(SPREAD * greatestX * meanSquare, Math.sqrt(Math.max(xy, 0) * meanSquare));
    }

    /**
     * Deviation of sum_i w_i (x . g_i)^2 / n.
     *
     * @param greatestX |x|_inf
     * @param sum the sum itself
     */
    static double ofSquares(double greatestX, double sum) {
        return 2 * (SPREAD * greatestX * Math.sqrt(sum) + sum);
    }
}
