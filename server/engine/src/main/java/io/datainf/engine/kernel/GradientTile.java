package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;

/**
 * A rectangle of stored gradients: consecutive rows of one tile, adjacent blocks. What one call of a kernel works on.
 *
 * @param matrix the stored gradients
 * @param firstOrdinal first row
 * @param rowCount rows, all in one tile of the kernels ({@link GradientKernels#tileRows()})
 * @param blocks the columns
 */
public record GradientTile(GradientMatrix matrix, long firstOrdinal, int rowCount, BlockRange blocks) {

    /** The rows from their first to their last column, {@code matrix.strideBytes()} apart; all must be in one tile of the matrix. */
    MemorySegment rows() {
        return matrix.rows(firstOrdinal, rowCount);
    }

    /** Distance from one row to the next, bytes. */
    long strideBytes() {
        return matrix.strideBytes();
    }

    ElementType elementType() {
        return matrix.elementType();
    }

    /** Position of element 0 of the block range in row {@code row} of the tile, bytes from the start of {@link #rows()}. */
    long rowOffsetBytes(int row) {
        return row * matrix.strideBytes()
                + (long) blocks.rowOffset() * elementType().byteCount();
    }
}
