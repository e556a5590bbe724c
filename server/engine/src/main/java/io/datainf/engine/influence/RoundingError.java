package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.GradientKernels;

/*
 * How far rounding moves a score, from what a computation has at hand anyway. Derivation, calibration and limits: server/docs/adr/0001-rounding-error-of-scores.md.
 *
 * What is assumed: single roundings are independent of each other, of c = 0.42 half units in the root mean square. Nothing is assumed of the data. In units of the kernels' e =
 * 8 * 2^-24, per unit of |g|, at Z = 4 standard deviations, which the greatest error of thousands of rows stays below:
 *
 * Products: a float32 loop adds up chains of T <= 256 terms, one a lane, and then lanes in float64. The error of x . g is at most Z c 2^-24 times the norm of all partial sums of all
 * chains, and that at most 2/pi T^1/2 mu(x) |g| (norm of the summation operator; reached where x and g go the same way all along a chain), mu(x) the greatest norm of x over one chain: consecutive
 * elements, or every 16th, as engines do. So
 * A(d) mu(x), A(d) = Z c max(1, 0.64 T^1/2) / 8.
 *
 * r = 1/n sum w_i s_i g_i, s_i = v . g_i, w_i = 1 / (lambda + q_i): errors A mu(v) |g_i| of the s_i, be they all alike as for repeated rows, move r . g_k by at most
 * 1/n sum w_i A mu(v) |g_i| |g_i . g_k| <= A mu(v) |g_k| by Cauchy and Schwarz, since M = 1/n sum w_i g_i g_i' has trace <= 1. Rounding w_i s_i moves it, likewise, by
 * RELATIVE e (v . r)^1/2 |g_k|, v . r = v'Mv = 1/n sum w_i s_i^2. Adding up rows in float32 over tiles of 256 rows: wandering sums give WANDERING e (v . r / n)^1/2 |g_k|, sums of equal rows, which round the same way
 * each time, STEADY e |r|_inf |g_k|.
 *
 * u = v - r is formed in float64; rounding it to float32 gives ROUNDED e |u|_inf. Then u . g_k: A mu(u), and mu(u) <= mu(v) + mu(r).
 */
/**
 * Estimates of rounding errors, behind the choice between float32 and float64. Errors are deviations per unit of |g_{k,l}| and of
 * {@link GradientKernels#relativeError()}; those of blocks are independent and add as squares.
 *
 * @param single whether the kernels compute in float32; in float64, where nothing is at stake, a product is taken to err by |x| |g|
 */
record RoundingError(boolean single) {

    /** Standard deviations at which a measured error is taken: that of 16 rows stands for all. */
    static final double MEASURED_SPREAD = 8;

    private static final double SPREAD = 4;
    private static final double ROUNDING = 0.42;
    private static final double UNIT = 8; // e in units of 2^-24
    private static final int LANES = 16;
    private static final int CHAIN = 256;
    private static final double RELATIVE = 0.25;
    private static final double WANDERING = 16 * SPREAD * ROUNDING / UNIT;
    private static final double STEADY = 12;
    private static final double ROUNDED = SPREAD * ROUNDING / UNIT;

    /** Deviation of x . g for x as given, whatever the data. */
    double ofProduct(BlockVector x) {
        if (!single) {
            return x.norm();
        }
        double growth = Math.max(1, 2 / Math.PI * Math.sqrt(Math.min(CHAIN, x.length())));
        return SPREAD * ROUNDING / UNIT * growth * x.greatestChainNorm(LANES, CHAIN);
    }

    /** Deviation of x . g from rounding x. */
    double ofRounding(BlockVector x) {
        return ROUNDED * x.greatest();
    }

    /**
     * Deviation of y . g for y = sum_i w_i (x . g_i) g_i / n with sum_i w_i q_i / n <= 1, but for the errors of the products x . g_i.
     *
     * @param xy x . y
     * @param factor y is {@code factor * sum}
     */
    double ofSum(double xy, BlockVector sum, double factor, long sampleCount) {
        double square = Math.max(xy, 0) * (RELATIVE * RELATIVE + WANDERING * WANDERING / sampleCount);
        return Math.hypot(Math.sqrt(square), STEADY * Math.abs(factor) * sum.greatest());
    }

    /**
     * Deviation of sum_i w_i (x . g_i)^2 / n with sum_i w_i q_i / n <= 1.
     *
     * @param product {@link #ofProduct} of x
     * @param sum the sum itself
     */
    static double ofSquares(double product, double sum) {
        return 2 * product * Math.sqrt(sum);
    }
}
