package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
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
        ScanPlan plan = ScanPlan.of(samples, lambda, kernels.preferredElements(positions.length), TILE_ROWS);
        ScanContext context = new ScanContext(plan, kernels, single, pool, work);
        int chunks = plan.chunkCount();
        Columns[] columns = new Columns[plan.ranges().size()];
        double[][][] sums = new double[columns.length][chunks][];
        try (Arena arena = Arena.ofShared()) {
            loadColumns(context, positions, columns, arena);
            double cost = context.cost(positions.length);
            context.forEachStretch((rows, share) -> pool.forEach(columns.length * chunks, work, share * cost, task -> {
                int r = task / chunks;
                int chunk = task % chunks;
                if (sums[r][chunk] == null) {
                    sums[r][chunk] = new double[plan.ranges().get(r).blockCount() * positions.length];
                }
                addSquares(context, rows, r, chunk, columns[r], sums[r][chunk]);
            }));
        }
        for (int j = 0; j < positions.length; j++) {
            addUp(plan, positions, j, sums, columns, kernels.relativeError());
        }
    }

    /** The rows asked for, as columns over a range of blocks. */
    private static final class Columns {

        private final ColumnVectors vectors; // g_k, scaled by powers of two
        private final double[] factors; // their inverses, [blocks, batch]
        private final double[] deviations; // RoundingError.ofProduct of g_k, [blocks, batch]

        Columns(ScanContext context, BlockRange range, int count, Arena arena) {
            this.vectors = context.newVectors(range, count, arena);
            this.factors = new double[range.blockCount() * count];
            this.deviations = new double[factors.length];
        }
    }

    private void loadColumns(ScanContext context, int[] positions, Columns[] columns, Arena arena) {
        int[] ordinals =
                Arrays.stream(positions).map(at -> request.ordinals()[at]).toArray();
        try (FetchedRows fetched = new FetchedRows(samples, ordinals)) {
            pool.forEach(
                    columns.length,
                    work,
                    0,
                    r -> columns[r] =
                            loadRows(context, context.plan().ranges().get(r), fetched, ordinals.length, arena));
        }
    }

    /** Adds (g_k . g_i)^2 / (lambda + q_i) over the rows i of a stretch that are of a chunk to {@code sums}, [blocks, batch]. */
    private void addSquares(
            ScanContext context, RowStretch rows, int rangeIndex, int chunk, Columns columns, double[] sums) {
        BlockRange range = context.plan().ranges().get(rangeIndex);
        int count = columns.vectors.columnCount();
        double[] added = new double[sums.length];
        double[] dots = new double[sums.length * TILE_ROWS];
        context.plan().forEachTile(rows, chunk, range, tile -> {
            work.check();
            context.kernels().dots(tile, columns.vectors, dots);
            addSquares(tile, count, dots, added);
        });
        for (int at = 0; at < sums.length; at++) {
            sums[at] += added[at] * columns.factors[at] * columns.factors[at];
        }
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

    private static Columns loadRows(
            ScanContext context, BlockRange range, FetchedRows rows, int count, Arena columnsArena) {
        ElementType type = context.samples().gradients().elementType();
        Columns columns = new Columns(context, range, count, columnsArena);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector g = new BlockVector(ScanContext.widest(range), arena);
            MemorySegment elements = arena.allocate(ValueLayout.JAVA_FLOAT, ScanContext.widest(range));
            for (int j = 0; j < count; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    long element = (long) range.rowOffset() + range.offset(b);
                    MemorySegment block = rows.row(j).asSlice(element * type.byteCount());
                    ElementConversion.convert(block, type, elements, ElementType.F32, range.width(b));
                    g.load(elements, 0, range.width(b));
                    int exponent = InverseHvp.exponent(g.norm());
                    columns.vectors.set(j, b, Math.scalb(1.0, -exponent), g);
                    columns.factors[b * count + j] = Math.scalb(1.0, exponent);
                    columns.deviations[b * count + j] = context.roundingError().ofProduct(g);
                }
            }
        }
        return columns;
    }

    private void addUp(ScanPlan plan, int[] positions, int j, double[][][] sums, Columns[] columns, double precision) {
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
                double error = RoundingError.ofSquares(columns[r].deviations[at], sum) / lambda[l];
                score -= (q - sum) / lambda[l];
                squaredError += error * error;
            }
        }
        double error = precision * Math.sqrt(squaredError);
        scores[positions[j]] = Math.min(score, 0);
        relativeErrors[positions[j]] = error == 0 ? 0 : error / Math.abs(score);
    }
}
