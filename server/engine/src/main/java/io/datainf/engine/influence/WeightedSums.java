package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnSums;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;

/*
 * One reading of the rows: for each tile the products s = G x, then y += G' (w s) for each set of weights w, added up over tiles in
 * float64. x is scaled to a norm between 1 and 2, and weights are of the size of 1 / q; then |w s| is about 1 / |g|, and no product
 * leaves the range of float32 as long as lambda and q stay within 2^-120 .. 2^120, which Computation sees to.
 */
/** The pass that DataInf, LISSA and conjugate gradients share: y = 1/n sum_i w_i (x . g_i) g_i, block by block. */
final class WeightedSums {

    private final ScanContext context;
    private final SampleSet samples;
    private final ScanPlan plan;
    private final ColumnSource source;
    private final int columnCount;
    private final int setCount;
    private final Weights weights;

    /** Weights of the rows. */
    @FunctionalInterface
    interface Weights {

        /** Weight of a live row whose squared norm q in block {@code block} of the layout is not 0. */
        double of(int set, int block, double q);
    }

    /** Takes the sums. Called by several threads, for a block by one at a time. */
    @FunctionalInterface
    interface Sink {

        /**
         * Takes one sum, y = {@code factor * sum}.
         *
         * @param rangeIndex position of the block's range in the plan
         * @param block block of the range, from 0
         * @param x the column, whose norm is {@code norm}; not to be changed
         * @param sum the receiver may change it
         */
        void accept(
                int rangeIndex,
                int block,
                int set,
                int column,
                BlockVector x,
                double norm,
                BlockVector sum,
                double factor);
    }

    /**
     * Prepares passes.
     *
     * @param source columns x
     * @param columnCount number of columns
     * @param setCount sets of weights, each of which is applied to all columns
     */
    WeightedSums(ScanContext context, ColumnSource source, int columnCount, int setCount, Weights weights) {
        this.context = context;
        this.samples = context.samples();
        this.plan = context.plan();
        this.source = source;
        this.columnCount = columnCount;
        this.setCount = setCount;
        this.weights = weights;
    }

    /** Weights that leave G = 1/n sum g g' as it is but for a power of two for each block, which {@link #scale} takes back. */
    static Weights uniform(BlockStatistics statistics) {
        return (set, block, q) -> 1 / scale(statistics, block);
    }

    /** The power of two next to the mean of q of a block: what {@link #uniform} divides by. */
    static double scale(BlockStatistics statistics, int block) {
        return Math.scalb(1.0, Math.getExponent(statistics.squaredNormSums()[block] / statistics.sampleCount()));
    }

    /** Multiplications of a pass over all ranges. */
    double cost() {
        return context.cost((double) columnCount * (1 + setCount));
    }

    /** Runs a pass over all ranges. */
    void run(Sink sink) {
        run(IntStream.range(0, plan.ranges().size()).toArray(), sink);
    }

    /** Runs a pass over some ranges of the plan. */
    void run(int[] ranges, Sink sink) {
        context.scanned(IntStream.of(ranges).mapToObj(plan.ranges()::get).toList());
        double cost = cost() * ranges.length / Math.max(1, plan.ranges().size());
        if (plan.chunkCount() == 1 && samples.inMemory()) {
            // Wide rows: the sums of a range live only as long as its task.
            context.forEachStretch((rows, all) -> context.pool().forEach(ranges.length, context.work(), cost, i -> {
                try (Arena arena = Arena.ofConfined()) {
                    ChunkSums sums = newSums(ranges[i], arena);
                    add(rows, 0, sums);
                    deliver(ranges[i], List.of(sums), sink);
                }
            }));
        } else {
            runInChunks(ranges, cost, sink);
        }
    }

    private void runInChunks(int[] ranges, double cost, Sink sink) {
        int chunkCount = plan.chunkCount();
        ChunkSums[][] sums = new ChunkSums[ranges.length][chunkCount];
        try (Arena arena = Arena.ofShared()) {
            context.pool().forEach(ranges.length * chunkCount, context.work(), 0, task -> {
                int i = task / chunkCount;
                sums[i][task % chunkCount] = newSums(ranges[i], arena);
            });
            context.forEachStretch((rows, share) -> context.pool()
                    .forEach(ranges.length * chunkCount, context.work(), share * cost, task -> {
                        add(rows, task % chunkCount, sums[task / chunkCount][task % chunkCount]);
                    }));
            context.pool().forEach(ranges.length, context.work(), 0, i -> deliver(ranges[i], List.of(sums[i]), sink));
        }
    }

    /**
     * What a chunk adds up for a range.
     *
     * @param x the columns, scaled
     */
    private record ChunkSums(BlockRange range, ColumnVectors x, ColumnSums sums) {}

    private ChunkSums newSums(int rangeIndex, Arena sumsArena) {
        BlockRange range = plan.ranges().get(rangeIndex);
        ColumnVectors vectors = context.newVectors(range, columnCount, sumsArena);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector x = new BlockVector(ScanContext.widest(range), arena);
            for (int j = 0; j < columnCount; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    int exponent = InverseHvp.exponent(source.load(range, b, j, x));
                    vectors.set(j, b, Math.scalb(1.0, -exponent), x);
                }
            }
        }
        return new ChunkSums(range, vectors, context.newSums(range, setCount * columnCount, sumsArena));
    }

    /** Adds w_k (x . g_k) g_k over the rows of a stretch that are of a chunk, for scaled x. */
    private void add(RowStretch rows, int chunk, ChunkSums target) {
        double[] tileWeights = new double[setCount * target.range.blockCount() * plan.tileRows()];
        plan.forEachTile(rows, chunk, target.range, tile -> {
            context.work().check();
            fillWeights(tile, tileWeights);
            context.kernels().accumulate(tile, target.x, tileWeights, target.sums);
        });
    }

    /** Weights of a tile, [sets, blocks, rows]; 0 for rows that count for nothing. */
    private void fillWeights(GradientTile tile, double[] target) {
        int end = (int) tile.firstOrdinal() + tile.rowCount();
        int next;
        for (int first = (int) tile.firstOrdinal(); first < end; first = next) {
            next = Math.min(end, (first / OffHeapRows.TILE_ROWS + 1) * OffHeapRows.TILE_ROWS);
            fillWeights(tile, first, next, target);
        }
    }

    /** Those of consecutive rows of a tile whose norms lie in one piece of memory. */
    private void fillWeights(GradientTile tile, int first, int end, double[] target) {
        var norms = samples.squaredNorms().rows(first, end - first);
        BlockRange range = tile.blocks();
        int blockCount = samples.layout().blockCount();
        for (int set = 0; set < setCount; set++) {
            for (int b = 0; b < range.blockCount(); b++) {
                int l = range.firstBlock() + b;
                int at = (set * range.blockCount() + b) * tile.rowCount() + first - (int) tile.firstOrdinal();
                for (int k = 0; k < end - first; k++) {
                    double q = norms.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) k * blockCount + l);
                    boolean counts = q != 0 && samples.live(first + k);
                    target[at + k] = counts ? weights.of(set, l, q) : 0;
                }
            }
        }
    }

    /** Hands on the sums of a range, its chunks added up in order. */
    private void deliver(int rangeIndex, List<ChunkSums> chunks, Sink sink) {
        BlockRange range = plan.ranges().get(rangeIndex);
        try (Arena arena = Arena.ofConfined()) {
            BlockVector x = new BlockVector(ScanContext.widest(range), arena);
            BlockVector sum = new BlockVector(ScanContext.widest(range), arena);
            for (int j = 0; j < columnCount; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    double norm = source.load(range, b, j, x);
                    double factor = Math.scalb(1.0, InverseHvp.exponent(norm)) / samples.sampleCount();
                    for (int set = 0; set < setCount; set++) {
                        sum.clear(range.width(b));
                        for (ChunkSums chunk : chunks) {
                            chunk.sums.addTo(set * columnCount + j, b, sum);
                        }
                        sink.accept(rangeIndex, b, set, j, x, norm, sum, factor);
                    }
                }
            }
        }
    }
}
