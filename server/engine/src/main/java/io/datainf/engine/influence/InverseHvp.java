package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import java.lang.foreign.Arena;

/**
 * The inverse Hessian-vector products h of some validation points, as the score pass wants them: h_l = u_l / divisor_l, with
 * u_l kept scaled by a power of two to a norm between 1 and 2, lest float32 overflow or vanish.
 *
 * <p>Filled block by block by any number of threads, a block by one; then read by any number.
 */
final class InverseHvp implements AutoCloseable {

    private final int columnCount;
    private final ColumnVectors[] vectors; // one a range of the plan
    private final double[] factors; // [L, columns]
    private final double[] norms; // [L, columns]
    private final double[] magnitudes; // [L, columns]
    private final double[] divisors; // [L]
    private final Arena arena = Arena.ofShared();

    /**
     * Allocates products for {@code columnCount} validation points.
     *
     * @param divisors [L]; not copied
     */
    InverseHvp(ScanPlan plan, GradientKernels kernels, int columnCount, double[] divisors) {
        this.columnCount = columnCount;
        this.factors = new double[divisors.length * columnCount];
        this.norms = new double[divisors.length * columnCount];
        this.magnitudes = new double[divisors.length * columnCount];
        this.divisors = divisors;
        this.vectors = new ColumnVectors[plan.ranges().size()];
        try {
            for (int i = 0; i < vectors.length; i++) {
                BlockRange range = plan.ranges().get(i);
                vectors[i] =
                        kernels.newVectors(range, plan.samples().gradients().elementType(), columnCount, arena);
            }
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Sets u of one block of one validation point.
     *
     * @param rangeIndex position of the block's range in the plan
     * @param block block of the range, from 0
     * @param u [d_l]; copied
     * @param magnitude sum of the norms of what u was formed from: |v_l| + |r_l|, or |v_l|
     */
    void set(BlockRange range, int rangeIndex, int column, int block, BlockVector u, double magnitude) {
        double norm = u.norm();
        int exponent = exponent(norm);
        vectors[rangeIndex].set(column, block, Math.scalb(1.0, -exponent), u);
        int at = (range.firstBlock() + block) * columnCount + column;
        factors[at] = -Math.scalb(1.0, exponent);
        norms[at] = norm / divisors[range.firstBlock() + block];
        magnitudes[at] = magnitude / divisors[range.firstBlock() + block];
    }

    /** Exponent of the power of two that brings a norm to between 1 and 2; 0 for a norm of 0 or one that is not finite. */
    static int exponent(double norm) {
        return norm == 0 || !Double.isFinite(norm) ? 0 : Math.getExponent(norm);
    }

    /** The scaled u of all columns over a range of the plan. */
    ColumnVectors vectors(int rangeIndex) {
        return vectors[rangeIndex];
    }

    /** The term of a block in a score, - h_l . g_{k,l}, from the inner product of the scaled u with g. */
    double term(int block, int column, double dot) {
        return factors[block * columnCount + column] * dot / divisors[block];
    }

    /** What the rounding error of that term is relative to, per unit of |g_{k,l}|: (|v_l| + |r_l|) / divisor_l. */
    double magnitude(int block, int column) {
        return magnitudes[block * columnCount + column];
    }

    /** |h| of one validation point. */
    double norm(int column) {
        double sum = 0;
        for (int l = 0; l < divisors.length; l++) {
            double norm = norms[l * columnCount + column];
            sum += norm * norm;
        }
        return Math.sqrt(sum);
    }

    /** Number of validation points. */
    int columnCount() {
        return columnCount;
    }

    @Override
    public void close() {
        arena.close();
    }
}
