package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.OffHeapRows;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * How the two passes over the rows are cut into tasks. Follows from rows and layout only, never from the number of
 * threads, so that sums are formed in the same order whatever runs them.
 *
 * @param samples the rows
 * @param ranges adjacent blocks that are not skipped, in order
 * @param tileRows most rows of a tile
 * @param chunkCount chunks of rows in the first pass, whose sums are added up chunk by chunk; tile t is of chunk t modulo their number
 * @param pieceRows rows of a task of the second pass; divides a tile
 */
record ScanPlan(SampleSet samples, List<BlockRange> ranges, int tileRows, int chunkCount, int pieceRows) {

    // Bounds what a task needs for products and weights.
    private static final int MAX_RANGE_BLOCKS = 16;
    // Narrow rows make few ranges. They are cut into chunks until there is work for this many threads; wider rows have
    // ranges enough, and sums too large to keep several of.
    private static final int TARGET_TASKS = 16;
    private static final int TASK_ELEMENTS = 32_768;
    // Columns come from memory once a piece, so pieces are as tall as leaves work for this many threads.
    private static final int TARGET_PIECES = 8;
    private static final int MIN_PIECE_ROWS = 32;

    /**
     * Plans the passes.
     *
     * @param lambda lambda_l, [L]; blocks of 0 are skipped
     * @param preferredElements elements of a row that a range should have at least
     * @param tileRows most rows of a tile
     */
    static ScanPlan of(SampleSet samples, double[] lambda, int preferredElements, int tileRows) {
        int tileCount = Math.ceilDiv(samples.rowCount(), tileRows);
        int chunkCount = Math.clamp(
                (long) TARGET_TASKS * TASK_ELEMENTS / samples.layout().dimension(),
                1,
                Math.clamp(tileCount, 1, TARGET_TASKS));
        int pieceRows = Math.clamp(
                Integer.highestOneBit(samples.rowCount() / TARGET_PIECES), MIN_PIECE_ROWS, OffHeapRows.TILE_ROWS);
        List<BlockRange> ranges = ranges(samples.layout(), lambda, preferredElements);
        return new ScanPlan(samples, ranges, tileRows, chunkCount, pieceRows);
    }

    private static List<BlockRange> ranges(BlockLayout layout, double[] lambda, int preferredElements) {
        List<BlockRange> ranges = new ArrayList<>();
        int first = 0;
        while (first < lambda.length) {
            if (lambda[first] == 0) {
                first++;
                continue;
            }
            int end = first + 1;
            while (end < lambda.length
                    && lambda[end] != 0
                    && end - first < MAX_RANGE_BLOCKS
                    && layout.offset(end) - layout.offset(first) < preferredElements) {
                end++;
            }
            ranges.add(new BlockRange(layout, first, end));
            first = end;
        }
        return ranges;
    }

    /** Hands on the tiles of a chunk, in order, as far as they lie in a stretch. */
    void forEachTile(RowStretch stretch, int chunk, BlockRange range, Consumer<GradientTile> action) {
        for (int i = 0; i < stretch.pieceCount(tileRows); i++) {
            int first = stretch.pieceStart(i, tileRows);
            if (first / tileRows % chunkCount == chunk) {
                action.accept(stretch.tile(range, first, stretch.pieceRows(i, tileRows)));
            }
        }
    }
}
