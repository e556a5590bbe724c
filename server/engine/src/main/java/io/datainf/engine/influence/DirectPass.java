package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import java.lang.foreign.Arena;

/** The first pass of the methods that have h in closed form: DATAINF and HESSIAN_FREE. */
final class DirectPass {

    private DirectPass() {}

    /**
     * DataInf (arXiv 2310.00902): r_l = 1/n sum_i (v_l . g_{i,l}) / (lambda_l + q_{i,l}) g_{i,l}, u_l = v_l - r_l and h_l = u_l / lambda_l. The
     * products v . g serve all dampings. The caller closes the result.
     */
    static InverseHvp dataInf(ScanContext context, ColumnGroup columns, ColumnSource validation) {
        int pointCount = columns.points().length;
        RoundingError error = context.roundingError();
        InverseHvp hvp = new InverseHvp(
                context,
                columns.columnCount(),
                (l, column) -> columns.damping(column).lambda()[l]);
        try {
            weightedSums(context, columns, validation).run((rangeIndex, block, set, j, v, norm, r, factor) -> {
                double vr = factor * r.dot(v);
                double ofSum = error.ofSum(vr, r, factor, context.samples().sampleCount());
                double ofR = Math.abs(factor) * error.ofProduct(r);
                r.combine(-factor, 1, v); // now v - r
                double products = Math.hypot(error.ofProduct(v), error.ofProduct(r));
                double others = Math.hypot(Math.hypot(ofSum, ofR), error.ofRounding(r));
                BlockRange range = context.plan().ranges().get(rangeIndex);
                hvp.set(range, rangeIndex, set * pointCount + j, block, r, products, others);
            });
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    /** Multiplications of {@link #dataInf}. */
    static double dataInfCost(ScanContext context, ColumnGroup columns) {
        return context.cost((double) columns.points().length + columns.columnCount());
    }

    private static WeightedSums weightedSums(ScanContext context, ColumnGroup columns, ColumnSource validation) {
        return new WeightedSums(
                context,
                validation,
                columns.points().length,
                columns.dampings().size(),
                (set, l, q) -> 1 / (columns.dampings().get(set).lambda()[l] + q));
    }

    /** h = v, whatever the damping. The caller closes the result. */
    static InverseHvp hessianFree(ScanContext context, ColumnGroup columns, ColumnSource validation) {
        InverseHvp hvp = new InverseHvp(context, columns.columnCount(), InverseHvp.PerColumn.ONE);
        try {
            int rangeCount = context.plan().ranges().size();
            context.pool().forEach(rangeCount, context.work(), 0, r -> copy(context, r, columns, validation, hvp));
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    private static void copy(
            ScanContext context, int rangeIndex, ColumnGroup columns, ColumnSource validation, InverseHvp hvp) {
        BlockRange range = context.plan().ranges().get(rangeIndex);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector v = new BlockVector(ScanContext.widest(range), arena);
            for (int j = 0; j < columns.columnCount(); j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    validation.load(range, b, j, v);
                    hvp.set(range, rangeIndex, j, b, v, context.roundingError().ofProduct(v), 0);
                }
            }
        }
    }
}
