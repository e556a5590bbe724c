package io.datainf.engine.store;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;

/**
 * How the rows of a run lie in its segment files.
 *
 * @param rowBytes bytes of a row
 * @param strideBytes distance from one row of a frame to the next
 * @param blockCount L
 */
record RowGeometry(long rowBytes, long strideBytes, int blockCount) {

    // Rows of a page and more begin on a cache line, for under 1.6 % of padding. Smaller ones lie densely.
    private static final long ALIGNED_FROM_BYTES = 4096;

    static RowGeometry of(BlockLayout layout, ElementType type) {
        long rowBytes = (long) layout.dimension() * type.byteCount();
        long stride = rowBytes < ALIGNED_FROM_BYTES ? rowBytes : FrameFormat.align(rowBytes);
        return new RowGeometry(rowBytes, stride, layout.blockCount());
    }

    /** Whether the rows of a frame lie one after the other without padding. */
    boolean dense() {
        return rowBytes == strideBytes;
    }
}
