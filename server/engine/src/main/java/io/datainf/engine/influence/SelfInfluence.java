package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/*
 * DataInf with v = g_k, scored at k: v . r = 1/n sum_i (g_k . g_i)^2 / (lambda + q_i) =: s_k, so self_k = - sum_l (q_{k,l} - s_{k,l}) / lambda_l. Products with all
 * rows are all it takes: one reading for up to 32 samples, and no second pass.
 *
 * q - s cancels where many rows repeat g_k. Errors of the products move s by RoundingError.ofSquares; where that is too much for a sample, it is computed again in
 * float64.
 */
/** Self-influence of samples. */
final class SelfInfluence {

    private static final int TILE_ROWS = OffHeapRows.TILE_ROWS;
    private static final int BATCH = 32;

    private final SelfInfluenceRequest request;
    private final SampleSet samples;
    private final double[] lambda;
    private final Numerics numerics;
    private final KernelPool pool;
    private final Work work;
    private final double[] scores;
    private final double[] relativeErrors;

    SelfInfluence(SelfInfluenceRequest request, Numerics numerics, KernelPool pool, Work work) {
        this.request = request;
        this.samples = request.samples();
        this.lambda = DampingAnswer.lambda(samples, request.damping());
        this.numerics = numerics;
        this.pool = pool;
        this.work = work;
        this.scores = new double[request.ordinals().length];
        this.relativeErrors = new double[scores.length];
    }

    /** Returns the scores of the ordinals. */
    double[] run(GradientKernels single, GradientKernels exact) {
        work.expect(request.multiplications());
        boolean fits = samples.sampleCount() > numerics.doubleUpToSamples()
                && Computation.fitsSinglePrecision(samples, lambda);
        for (int first = 0; first < scores.length; first += BATCH) {
            int[] batch = new int[Math.min(BATCH, scores.length - first)];
            for (int j = 0; j < batch.length; j++) {
                batch[j] = first + j;
            }
            int[] remaining = batch;
            if (fits) {
                scan(batch, single, true);
                remaining = Arrays.stream(batch)
                        .filter(at -> !(relativeErrors[at] <= numerics.greatestError()))
                        .toArray();
            }
            if (remaining.length > 0) {
                scan(remaining, exact, false);
            }
        }
        work.finish();
        return scores;
    }

    /** Computes some scores, by position. */
    private void scan(int[] positions, GradientKernels kernels, boolean single) {
        ScanPlan plan = ScanPlan.of(samples, lambda, kernels.preferredElements(positions.length));
        ScanContext context = new ScanContext(plan, kernels, single, pool, work);
        int chunks = plan.chunkCount();
        double[][][] sums = new double[plan.ranges().size()][chunks][];
        double[][] deviations = new double[plan.ranges().size()][];
        pool.forEach(sums.length * chunks, work, context.cost(positions.length), task -> {
            int r = task / chunks;
            int chunk = task % chunks;
            double[] elements = new double[plan.ranges().get(r).blockCount() * positions.length];
            sums[r][chunk] = sumSquares(context, r, chunk, positions, elements);
            if (chunk == 0) {
                deviations[r] = elements;
            }
        });
        for (int j = 0; j < positions.length; j++) {
            addUp(plan, positions, j, sums, deviations, kernels.relativeError());
        }
    }

    /**
     * Sums (g_k . g_i)^2 / (lambda + q_i) over the rows i of a chunk, [blocks, batch].
     *
     * @param deviations receives {@link RoundingError#ofProduct} of g_k, [blocks, batch]
     */
    private double[] sumSquares(ScanContext context, int rangeIndex, int chunk, int[] positions, double[] deviations) {
        ScanPlan plan = context.plan();
        BlockRange range = plan.ranges().get(rangeIndex);
        int columns = positions.length;
        double[] sums = new double[range.blockCount() * columns];
        double[] factors = new double[sums.length];
        double[] dots = new double[sums.length * TILE_ROWS];
        try (Arena arena = Arena.ofConfined()) {
            ColumnVectors vectors = context.newVectors(range, columns, arena);
            loadRows(context, range, positions, vectors, factors, deviations, arena);
            int end = plan.chunkStart(chunk + 1);
            for (int row = plan.chunkStart(chunk); row < end; row += TILE_ROWS) {
                work.check();
                GradientTile tile = plan.tile(range, row, TILE_ROWS);
                context.kernels().dots(tile, vectors, dots);
                addSquares(tile, columns, dots, sums);
            }
        }
        for (int at = 0; at < sums.length; at++) {
            sums[at] *= factors[at] * factors[at];
        }
        return sums;
    }

    private void addSquares(GradientTile tile, int columns, double[] dots, double[] sums) {
        int first = (int) tile.firstOrdinal();
        MemorySegment norms = samples.squaredNorms().rows(first, tile.rowCount());
        for (int b = 0; b < tile.blocks().blockCount(); b++) {
            int l = tile.blocks().firstBlock() + b;
            for (int k = 0; k < tile.rowCount(); k++) {
                if (samples.live(first + k)) {
                    double q = norms.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) k * lambda.length + l);
                    for (int j = 0; j < columns; j++) {
                        double dot = dots[(b * columns + j) * tile.rowCount() + k];
                        sums[b * columns + j] += dot / (lambda[l] + q) * dot;
                    }
                }
            }
        }
    }

    /** Makes the rows asked for columns, scaled by powers of two, whose inverses become factors. */
    private void loadRows(
            ScanContext context,
            BlockRange range,
            int[] positions,
            ColumnVectors vectors,
            double[] factors,
            double[] deviations,
            Arena arena) {
        GradientMatrix gradients = samples.gradients();
        BlockVector g = new BlockVector(ScanContext.widest(range), arena);
        MemorySegment elements = arena.allocate(ValueLayout.JAVA_FLOAT, ScanContext.widest(range));
        for (int j = 0; j < positions.length; j++) {
            MemorySegment row = gradients.row(request.ordinals()[positions[j]]);
            for (int b = 0; b < range.blockCount(); b++) {
                long element = (long) range.rowOffset() + range.offset(b);
                MemorySegment block =
                        row.asSlice(element * gradients.elementType().byteCount());
                ElementConversion.convert(block, gradients.elementType(), elements, ElementType.F32, range.width(b));
                g.load(elements, 0, range.width(b));
                int exponent = InverseHvp.exponent(g.norm());
                vectors.set(j, b, Math.scalb(1.0, -exponent), g);
                factors[b * positions.length + j] = Math.scalb(1.0, exponent);
                deviations[b * positions.length + j] = context.roundingError().ofProduct(g);
            }
        }
    }

    private void addUp(
            ScanPlan plan, int[] positions, int j, double[][][] sums, double[][] deviations, double precision) {
        double score = 0;
        double squaredError = 0;
        for (int r = 0; r < sums.length; r++) {
            BlockRange range = plan.ranges().get(r);
            for (int b = 0; b < range.blockCount(); b++) {
                int l = range.firstBlock() + b;
                int at = b * positions.length + j;
                double sum = 0;
                for (double[] chunk : sums[r]) {
                    sum += chunk[at];
                }
                sum /= samples.sampleCount();
                double q = samples.squaredNorms().get(request.ordinals()[positions[j]], l);
                double error = RoundingError.ofSquares(deviations[r][at], sum) / lambda[l];
                score -= (q - sum) / lambda[l];
                squaredError += error * error;
            }
        }
        double error = precision * Math.sqrt(squaredError);
        scores[positions[j]] = Math.min(score, 0);
        relativeErrors[positions[j]] = error == 0 ? 0 : error / Math.abs(score);
    }
}
