package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnSums;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/*
 * DataInf (arXiv 2310.00902): r_l = 1/n sum_i (v_l . g_{i,l}) / (lambda_l + q_{i,l}) g_{i,l} and u_l = v_l - r_l, h_l = u_l / lambda_l.
 *
 * One reading of the rows: for each tile the products s = G v, then r += G' (w s) with w = 1 / (lambda + q), added up over tiles
 * in float64. v is scaled to a norm between 1 and 2; then |w s| <= 1 / sqrt(lambda), and no product leaves the range of float32 as long as
 * lambda and q stay within 2^-120 .. 2^120, which Computation sees to.
 */
/** The first pass: from validation gradients v to inverse Hessian-vector products h. */
final class InverseHvpPass {

    private static final int TILE_ROWS = OffHeapRows.TILE_ROWS;

    private final InfluenceRequest request;
    private final SampleSet samples;
    private final double[] lambda;
    private final int[] points;
    private final GradientKernels kernels;
    private final ScanPlan plan;
    private final KernelPool pool;
    private final Cancellation cancellation;

    /**
     * Prepares the pass.
     *
     * @param lambda lambda_l, [L]; 0 for skipped blocks
     * @param points validation points of the request to compute h for
     */
    InverseHvpPass(
            InfluenceRequest request,
            double[] lambda,
            int[] points,
            GradientKernels kernels,
            ScanPlan plan,
            KernelPool pool,
            Cancellation cancellation) {
        this.request = request;
        this.samples = request.samples();
        this.lambda = lambda;
        this.points = points;
        this.kernels = kernels;
        this.plan = plan;
        this.pool = pool;
        this.cancellation = cancellation;
    }

    /** Runs the pass. The caller closes the result. */
    InverseHvp run() {
        InverseHvp hvp = new InverseHvp(plan, kernels, points.length, divisors());
        try {
            switch (request.method()) {
                case InfluenceMethod.DataInf() -> dataInf(hvp);
                case InfluenceMethod.HessianFree() ->
                    pool.forEach(plan.ranges().size(), cancellation, r -> copyValidation(r, hvp));
                case InfluenceMethod.Lissa lissa -> throw new UnsupportedOperationException(lissa.toString());
                case InfluenceMethod.LissaReference lissa -> throw new UnsupportedOperationException(lissa.toString());
                case InfluenceMethod.Exact exact -> throw new UnsupportedOperationException(exact.toString());
            }
            return hvp;
        } catch (Throwable e) {
            hvp.close();
            throw e;
        }
    }

    private double[] divisors() {
        return switch (request.method()) {
            case InfluenceMethod.DataInf() -> lambda;
            default -> {
                double[] ones = new double[lambda.length];
                Arrays.fill(ones, 1);
                yield ones;
            }
        };
    }

    private void copyValidation(int rangeIndex, InverseHvp hvp) {
        BlockRange range = plan.ranges().get(rangeIndex);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector v = new BlockVector(widest(range), arena);
            for (int j = 0; j < points.length; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    double norm = loadValidation(range, j, b, v);
                    hvp.set(range, rangeIndex, j, b, v, norm);
                }
            }
        }
    }

    private void dataInf(InverseHvp hvp) {
        int rangeCount = plan.ranges().size();
        int chunkCount = plan.chunkCount();
        if (chunkCount == 1) {
            // Wide rows: the sums of a range live only as long as its task.
            pool.forEach(rangeCount, cancellation, r -> {
                try (Arena arena = Arena.ofConfined()) {
                    subtractFromValidation(r, new ColumnSums[] {sumChunk(r, 0, arena)}, hvp);
                }
            });
            return;
        }
        ColumnSums[][] sums = new ColumnSums[rangeCount][chunkCount];
        try (Arena arena = Arena.ofShared()) {
            pool.forEach(rangeCount * chunkCount, cancellation, task -> {
                int r = task / chunkCount;
                sums[r][task % chunkCount] = sumChunk(r, task % chunkCount, arena);
            });
            pool.forEach(rangeCount, cancellation, r -> subtractFromValidation(r, sums[r], hvp));
        }
    }

    /** Sums w_k (v . g_k) g_k over the rows of a chunk, for scaled v. */
    private ColumnSums sumChunk(int rangeIndex, int chunk, Arena sumsArena) {
        BlockRange range = plan.ranges().get(rangeIndex);
        int columns = points.length;
        ColumnSums sums = kernels.newSums(range, samples.gradients().elementType(), columns, sumsArena);
        double[] weights = new double[range.blockCount() * TILE_ROWS];
        try (Arena arena = Arena.ofConfined()) {
            ColumnVectors vectors =
                    kernels.newVectors(range, samples.gradients().elementType(), columns, arena);
            BlockVector v = new BlockVector(widest(range), arena);
            for (int j = 0; j < columns; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    int exponent = InverseHvp.exponent(loadValidation(range, j, b, v));
                    vectors.set(j, b, Math.scalb(1.0, -exponent), v);
                }
            }
            int end = plan.chunkStart(chunk + 1);
            for (int row = plan.chunkStart(chunk); row < end; row += TILE_ROWS) {
                cancellation.check();
                GradientTile tile = plan.tile(range, row, TILE_ROWS);
                fillWeights(tile, weights);
                kernels.accumulate(tile, vectors, weights, sums);
            }
        }
        return sums;
    }

    /** Weights 1 / (lambda_l + q_{k,l}), [blocks, rows]; 0 for rows that count for nothing. */
    private void fillWeights(GradientTile tile, double[] weights) {
        int first = (int) tile.firstOrdinal();
        var norms = samples.squaredNorms().rows(first, tile.rowCount());
        BlockRange range = tile.blocks();
        for (int b = 0; b < range.blockCount(); b++) {
            int l = range.firstBlock() + b;
            for (int k = 0; k < tile.rowCount(); k++) {
                double q = norms.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) k * lambda.length + l);
                boolean counts = q != 0 && samples.live(first + k);
                weights[b * tile.rowCount() + k] = counts ? 1 / (lambda[l] + q) : 0;
            }
        }
    }

    /** u = v - r for all columns and blocks of a range; r from the sums of its chunks, added in order. */
    private void subtractFromValidation(int rangeIndex, ColumnSums[] sums, InverseHvp hvp) {
        BlockRange range = plan.ranges().get(rangeIndex);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector v = new BlockVector(widest(range), arena);
            BlockVector r = new BlockVector(widest(range), arena);
            for (int j = 0; j < points.length; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    double norm = loadValidation(range, j, b, v);
                    r.clear(range.width(b));
                    for (ColumnSums chunk : sums) {
                        chunk.addTo(j, b, r);
                    }
                    double factor = Math.scalb(1.0, InverseHvp.exponent(norm)) / samples.sampleCount();
                    double magnitude = norm + factor * r.norm();
                    v.subtract(factor, r);
                    hvp.set(range, rangeIndex, j, b, v, magnitude);
                }
            }
        }
    }

    /** Loads v of one block of a column and returns its norm. */
    private double loadValidation(BlockRange range, int column, int block, BlockVector target) {
        int dimension = range.layout().dimension();
        long first = (long) points[column] * dimension + range.rowOffset() + range.offset(block);
        target.load(request.validationGradients(), first, range.width(block));
        double norm = target.norm();
        if (!Double.isFinite(norm)) {
            String name =
                    range.layout().blocks().get(range.firstBlock() + block).name();
            throw new IllegalArgumentException("validation gradient %d has an element that is not finite in block '%s'"
                    .formatted(points[column], name));
        }
        return norm;
    }

    private static int widest(BlockRange range) {
        int widest = 0;
        for (int b = 0; b < range.blockCount(); b++) {
            widest = Math.max(widest, range.width(b));
        }
        return widest;
    }
}
