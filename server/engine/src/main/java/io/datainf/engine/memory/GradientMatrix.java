package io.datainf.engine.memory;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Stored gradients, [n, D] row-major, off-heap, one row a sample in ordinal order: those of a run, or a window that is moved over
 * them. The bytes of a row are those of its record in the segment file; padding between rows is never read as data.
 *
 * <p>Threads and lifetime: those of {@link OffHeapRows}. A window is moved only while nobody reads it.
 */
public final class GradientMatrix implements AutoCloseable {

    private static final int CACHE_LINE_BYTES = 64;
    private static final int PAGE_BYTES = 4096;
    // Rows whose distance is a multiple of a page fall into the same cache sets: move them apart.
    private static final int PAGE_SHIFT_BYTES = 3 * CACHE_LINE_BYTES;

    private final BlockLayout layout;
    private final ElementType elementType;
    private final OffHeapRows rows;
    private final AtomicInteger generation = new AtomicInteger();
    private final boolean window;
    private long firstOrdinal;

    /** Creates an empty matrix for samples of this layout, stored as {@code elementType}. */
    public GradientMatrix(BlockLayout layout, ElementType elementType) {
        this(layout, elementType, RowMemory.keepingNothing());
    }

    /** The same with memory from {@code memory}. */
    public GradientMatrix(BlockLayout layout, ElementType elementType, RowMemory memory) {
        this(layout, elementType, memory, false);
    }

    private GradientMatrix(BlockLayout layout, ElementType elementType, RowMemory memory, boolean window) {
        if (!elementType.storable()) {
            throw new IllegalArgumentException("elementType is %s: expected F32 or BF16".formatted(elementType));
        }
        this.layout = layout;
        this.elementType = elementType;
        this.rows = new OffHeapRows(strideBytes(layout, elementType), memory);
        this.window = window;
    }

    /** Creates a window, without rows at first: see {@link #moveTo}. */
    public static GradientMatrix window(BlockLayout layout, ElementType elementType) {
        return new GradientMatrix(layout, elementType, RowMemory.keepingNothing(), true);
    }

    /**
     * Makes a window stand for these rows. They hold what the window held before, for the caller to overwrite; zeros where it held
     * nothing.
     */
    public void moveTo(long ordinal, int rowCount) {
        if (!window) {
            throw new IllegalStateException("the matrix holds rows for good: only a window is moved");
        }
        rows.reuse(rowCount);
        firstOrdinal = ordinal;
    }

    /** Whether a published row never changes, unless {@link #generation} tells: true but for windows. */
    public boolean lasting() {
        return !window;
    }

    /** Whether the matrix is not closed. */
    public boolean alive() {
        return rows.alive();
    }

    /** Changes whenever rows that were published empty have been filled in. */
    public int generation() {
        return generation.get();
    }

    /** Tells that rows which were published empty have been filled in; before anyone may ask for them. */
    public void filledIn() {
        int ignored = generation.incrementAndGet();
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

    /** Ordinal after the last row published so far: their number, but for windows. */
    public long rowCount() {
        return firstOrdinal + rows.rowCount();
    }

    /** Returns the memory of the next row, {@link #rowBytes()} long, for the appending thread to fill. */
    public MemorySegment nextRow() {
        return rows.nextRow().asSlice(0, rowBytes());
    }

    /** Returns the memory of rows to come, {@link #strideBytes()} apart: see {@link OffHeapRows#unpublishedRows}. */
    public @Nullable MemorySegment unpublishedRows(long firstOrdinal, int count) {
        return rows.unpublishedRows(firstOrdinal, count);
    }

    /** Makes a row to come read as zeros: see {@link OffHeapRows#clear}. */
    public void clear(long ordinal) {
        rows.clear(ordinal);
    }

    /** Makes the row that {@link #nextRow()} returned part of the matrix. */
    public void publishRow() {
        rows.publishRow();
    }

    /** Returns the memory of one published row, {@link #rowBytes()} long. */
    public MemorySegment row(long ordinal) {
        return rows.row(ordinal - firstOrdinal).asSlice(0, rowBytes());
    }

    /** Returns {@code count} consecutive published rows of one tile from {@code ordinal} on, {@code strideBytes} apart. */
    public MemorySegment rows(long ordinal, int count) {
        return rows.rows(ordinal - firstOrdinal, count);
    }

    /** Gives the memory of rows back: see {@link OffHeapRows#discard}. */
    public void discard(long ordinal, int count) {
        rows.discard(ordinal - firstOrdinal, count);
    }

    @Override
    public void close() {
        rows.close();
    }
}
