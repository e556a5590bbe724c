package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The squared norms q_{i,l} of the stored gradients, [n, L] float64, off-heap, row i belonging to row i of the
 * {@link io.datainf.engine.memory.GradientMatrix}. Threads and lifetime: those of {@link OffHeapRows}.
 */
public final class SquaredNorms implements AutoCloseable {

    private final int blockCount;
    private final OffHeapRows rows;

    /** Creates an empty table for {@code blockCount} blocks. */
    public SquaredNorms(int blockCount) {
        this.blockCount = blockCount;
        this.rows = new OffHeapRows((long) blockCount * Double.BYTES);
    }

    /**
     * Computes q_l of one sample from its stored values, in float64. An entry is not finite if and only if its block has
     * an element that is not.
     *
     * @param row [D] elements, little-endian; any alignment, on or off the heap
     * @param type how they are stored, F32 or BF16
     * @param target receives [L]
     */
    public static void ofRow(MemorySegment row, BlockLayout layout, ElementType type, double[] target) {
        if (row.byteSize() != (long) layout.dimension() * type.byteCount()) {
            throw new IllegalArgumentException("row has %d bytes: expected %d, %d elements of %s"
                    .formatted(row.byteSize(), (long) layout.dimension() * type.byteCount(), layout.dimension(), type));
        }
        if (target.length != layout.blockCount()) {
            throw new IllegalArgumentException(
                    "target has %d entries: expected %d".formatted(target.length, layout.blockCount()));
        }
        ofBlocks(row, new BlockRange(layout, 0, layout.blockCount()), type, target);
    }

    /** The same for some blocks of a row; leaves the other entries of {@code target} alone. */
    public static void ofBlocks(MemorySegment row, BlockRange blocks, ElementType type, double[] target) {
        GradientKernels.norms().squaredNorms(row, blocks, type, target);
    }

    /** Number of blocks, L. */
    public int blockCount() {
        return blockCount;
    }

    /** Rows held. */
    public long rowCount() {
        return rows.rowCount();
    }

    /** Appends the squared norms of one sample, [L]. Appending thread only. */
    public void append(double[] squaredNorms) {
        if (squaredNorms.length != blockCount) {
            throw new IllegalArgumentException(
                    "squaredNorms has %d entries: expected %d".formatted(squaredNorms.length, blockCount));
        }
        MemorySegment.copy(squaredNorms, 0, rows.nextRow(), ValueLayout.JAVA_DOUBLE, 0, blockCount);
        rows.publishRow();
    }

    /** Returns q of one sample and block. */
    public double get(long ordinal, int block) {
        return rows.row(ordinal).getAtIndex(ValueLayout.JAVA_DOUBLE, block);
    }

    /** Returns q of {@code count} consecutive samples of one tile, [count, L] float64 without padding. */
    public MemorySegment rows(long firstOrdinal, int count) {
        return rows.rows(firstOrdinal, count);
    }

    @Override
    public void close() {
        rows.close();
    }
}
