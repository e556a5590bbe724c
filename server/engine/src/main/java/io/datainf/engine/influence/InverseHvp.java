package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnVectors;
import java.lang.foreign.Arena;

/**
 * Inverse Hessian-vector products h, as the score pass wants them: h_l = u_l / divisor_l, with u_l kept scaled by a power of two to a norm
 * between 1 and 2, lest float32 overflow or vanish. A column is one validation point under one damping.
 *
 * <p>Filled block by block by any number of threads, a block by one; then read by any number.
 */
final class InverseHvp implements AutoCloseable {

    private final int columnCount;
    private final ColumnVectors[] vectors; // one a range of the plan
    private final double[] factors; // [L, columns]
    private final double[] norms; // [L, columns]
    private final double[] productDeviations; // [L, columns]
    private final double[] otherDeviations; // [L, columns]
    private final PerColumn divisor;
    private final Arena arena = Arena.ofShared();

    /** A number for each block and column. */
    @FunctionalInterface
    interface PerColumn {

        /** The divisor of h = u. */
        PerColumn ONE = (block, column) -> 1;

        double of(int block, int column);
    }

    /** Allocates {@code columnCount} products. */
    InverseHvp(ScanContext context, int columnCount, PerColumn divisor) {
        ScanPlan plan = context.plan();
        int entries = plan.samples().layout().blockCount() * columnCount;
        this.columnCount = columnCount;
        this.factors = new double[entries];
        this.norms = new double[entries];
        this.productDeviations = new double[entries];
        this.otherDeviations = new double[entries];
        this.divisor = divisor;
        this.vectors = new ColumnVectors[plan.ranges().size()];
        try {
            for (int i = 0; i < vectors.length; i++) {
                vectors[i] = context.newVectors(plan.ranges().get(i), columnCount, arena);
            }
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Returns h = u. The caller closes it.
     *
     * @param deviation how far u . g may be off as it is, per unit of |g| and of the precision; rounding adds to it
     */
    static InverseHvp of(ScanContext context, BlockState u, PerColumn deviation) {
        InverseHvp hvp = new InverseHvp(context, u.columnCount(), PerColumn.ONE);
        try {
            context.pool().forEach(context.plan().ranges().size(), context.work(), 0, rangeIndex -> {
                BlockRange range = context.plan().ranges().get(rangeIndex);
                for (int column = 0; column < u.columnCount(); column++) {
                    for (int b = 0; b < range.blockCount(); b++) {
                        int l = range.firstBlock() + b;
                        BlockVector vector = u.get(l, column);
                        RoundingError error = context.roundingError();
                        double other = Math.hypot(deviation.of(l, column), error.ofRounding(vector));
                        hvp.set(range, rangeIndex, column, b, vector, error.ofProduct(vector), other);
                    }
                }
            });
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    /**
     * Sets u of one block of one column.
     *
     * @param rangeIndex position of the block's range in the plan
     * @param block block of the range, from 0
     * @param u [d_l]; copied
     * @param productDeviation how far errors of products may move u . g: see {@link RoundingError}
     * @param otherDeviation how far other errors may
     */
    void set(
            BlockRange range,
            int rangeIndex,
            int column,
            int block,
            BlockVector u,
            double productDeviation,
            double otherDeviation) {
        double norm = u.norm();
        int exponent = exponent(norm);
        vectors[rangeIndex].set(column, block, Math.scalb(1.0, -exponent), u);
        int l = range.firstBlock() + block;
        int at = l * columnCount + column;
        factors[at] = -Math.scalb(1.0, exponent);
        norms[at] = norm / divisor.of(l, column);
        productDeviations[at] = productDeviation / divisor.of(l, column);
        otherDeviations[at] = otherDeviation / divisor.of(l, column);
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
        return factors[block * columnCount + column] * dot / divisor.of(block, column);
    }

    /** How far rounding may move that term, squared, per unit of q_{k,l} and of the squared precision. */
    double squaredDeviation(int block, int column) {
        int at = block * columnCount + column;
        return productDeviations[at] * productDeviations[at] + otherDeviations[at] * otherDeviations[at];
    }

    /** Takes a deviation of products that is known better, where it is less than what is known so far. */
    void lowerProductDeviation(int block, int column, double deviation) {
        int at = block * columnCount + column;
        productDeviations[at] = Math.min(productDeviations[at], deviation / divisor.of(block, column));
    }

    /** |h| of a column over all blocks. */
    double norm(int column) {
        double greatest = 0;
        for (int at = column; at < norms.length; at += columnCount) {
            greatest = Math.max(greatest, norms[at]);
        }
        if (greatest == 0 || !Double.isFinite(greatest)) {
            return greatest;
        }
        double sum = 0;
        for (int at = column; at < norms.length; at += columnCount) {
            double share = norms[at] / greatest; // squares may leave the range of float64
            sum += share * share;
        }
        return greatest * Math.sqrt(sum);
    }

    /** Number of columns. */
    int columnCount() {
        return columnCount;
    }

    @Override
    public void close() {
        arena.close();
    }
}
