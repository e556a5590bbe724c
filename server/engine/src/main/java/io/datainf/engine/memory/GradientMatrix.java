package io.datainf.engine.memory;

import java.lang.foreign.MemorySegment;

/**
 * The stored gradients of a run, [n, D] row-major, off-heap, one row a sample in ordinal order. The bytes of a row are
 * those of its record in the segment file; padding between rows is never read as data.
 *
 * <p>Threads and lifetime: those of {@link OffHeapRows}.
 */
public final class GradientMatrix implements AutoCloseable {

    private static final int CACHE_LINE_BYTES = 64;
    private static final int PAGE_BYTES = 4096;
    // Rows whose distance is a multiple of a page fall into the same cache sets: move them apart.
    private static final int PAGE_SHIFT_BYTES = 3 * CACHE_LINE_BYTES;

    private final BlockLayout layout;
    private final ElementType elementType;
    private final OffHeapRows rows;

    /** Creates an empty matrix for samples of this layout, stored as {@code elementType}. */
    public GradientMatrix(BlockLayout layout, ElementType elementType) {
        if (!elementType.storable()) {
            throw new IllegalArgumentException("elementType is %s: expected F32 or BF16".formatted(elementType));
        }
        this.layout = layout;
        this.elementType = elementType;
        this.rows = new OffHeapRows(strideBytes(layout, elementType));
    }

    /** Bytes that one row of this layout takes in memory, padding included. */
    public static long strideBytes(BlockLayout layout, ElementType elementType) {
        long bytes = (long) layout.dimension() * elementType.byteCount();
        long padded = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
        return padded % PAGE_BYTES == 0 ? padded + PAGE_SHIFT_BYTES : padded;
    }

    /** The blocks of a row. */
    public BlockLayout layout() {
        return layout;
    }

    /** Encoding of the elements. */
    public ElementType elementType() {
        return elementType;
    }

    /** Bytes of one row without padding. */
    public long rowBytes() {
        return (long) layout.dimension() * elementType.byteCount();
    }

    /** Distance from one row to the next, bytes. */
    public long strideBytes() {
        return rows.strideBytes();
    }

    /** Rows published so far. */
    public long rowCount() {
        return rows.rowCount();
    }

    /** Returns the memory of the next row, {@link #rowBytes()} long, for the appending thread to fill. */
    public MemorySegment nextRow() {
        return rows.nextRow().asSlice(0, rowBytes());
    }

    /** Makes the row that {@link #nextRow()} returned part of the matrix. */
    public void publishRow() {
        rows.publishRow();
    }

    /** Returns the memory of one published row, {@link #rowBytes()} long. */
    public MemorySegment row(long ordinal) {
        return rows.row(ordinal).asSlice(0, rowBytes());
    }

    /** Returns {@code count} consecutive published rows of one tile, {@code strideBytes} apart. */
    public MemorySegment rows(long firstOrdinal, int count) {
        return rows.rows(firstOrdinal, count);
    }

    /** Gives the memory of rows back: see {@link OffHeapRows#discard}. */
    public void discard(long firstOrdinal, int count) {
        rows.discard(firstOrdinal, count);
    }

    @Override
    public void close() {
        rows.close();
    }
}
