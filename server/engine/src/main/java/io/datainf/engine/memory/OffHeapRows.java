package io.datainf.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A growing table of rows of equal byte size outside the Java heap. Rows never move.
 *
 * <p>Threads: one appends ({@link #nextRow()}, {@link #publishRow()}), any number map, fill rows that are not published, and read.
 * A reader may touch only rows below a count that it got by a safe publication, such as {@link #rowCount()}. {@link #close()} frees the memory; a
 * reader that comes later gets an {@link IllegalStateException}.
 */
public final class OffHeapRows implements AutoCloseable {

    /** Rows of a tile. A tile begins at a multiple of this ordinal and lies in one piece of memory. */
    public static final int TILE_ROWS = 256;

    // Costs addresses, not memory. Few batches lie across the end of one.
    private static final long CHUNK_TARGET_BYTES = 128L << 20;

    private final long strideBytes;
    private final int rowsPerChunk;
    private final RowMemory memory;
    private final Arena arena = Arena.ofShared();
    // Replaced as a whole when it grows, under the lock of this.
    private volatile MemorySegment[] chunks = {};
    private volatile long rowCount;
    // Rows from this on have never been handed out. Written under the lock of this.
    private volatile long mappedEnd;
    private volatile boolean discarded;

    /** Creates an empty table whose rows lie {@code strideBytes} apart, in memory of their own. */
    public OffHeapRows(long strideBytes) {
        this(strideBytes, RowMemory.keepingNothing());
    }

    /** The same with memory from {@code memory}. */
    OffHeapRows(long strideBytes, RowMemory memory) {
        if (strideBytes < 1) {
            throw new IllegalArgumentException("strideBytes is %d: expected at least 1".formatted(strideBytes));
        }
        this.strideBytes = strideBytes;
        this.memory = memory;
        this.rowsPerChunk = TILE_ROWS * (int) Math.max(1, CHUNK_TARGET_BYTES / (TILE_ROWS * strideBytes));
    }

    /** Whether the table is not closed. */
    boolean alive() {
        return arena.scope().isAlive();
    }

    /** Distance from one row to the next, bytes. */
    public long strideBytes() {
        return strideBytes;
    }

    /** Rows published so far. */
    public long rowCount() {
        return rowCount;
    }

    /** Returns the memory of the row after the last published one, for the appending thread to fill. */
    public MemorySegment nextRow() {
        long ordinal = rowCount;
        mapTo(ordinal + 1);
        return rowAt(ordinal);
    }

    /**
     * Returns the memory of {@code count} rows that are not published, to be filled by any thread; before they are published, the
     * appending thread must have seen the end of that. Null if they do not lie in one piece.
     */
    public @Nullable MemorySegment unpublishedRows(long firstOrdinal, int count) {
        if (firstOrdinal < rowCount) {
            throw new IndexOutOfBoundsException(
                    "firstOrdinal is %d: expected at least %d".formatted(firstOrdinal, rowCount));
        }
        long offset = firstOrdinal % rowsPerChunk;
        if (offset + count > rowsPerChunk) {
            return null;
        }
        mapTo(firstOrdinal + count);
        return chunks[(int) (firstOrdinal / rowsPerChunk)].asSlice(offset * strideBytes, count * strideBytes);
    }

    private void mapTo(long end) {
        if (end > mappedEnd) {
            growTo(end);
        }
    }

    private synchronized void growTo(long end) {
        int chunkCount = Math.toIntExact((end + rowsPerChunk - 1) / rowsPerChunk);
        if (chunkCount > chunks.length) {
            MemorySegment[] grown = Arrays.copyOf(chunks, chunkCount);
            for (int chunk = chunks.length; chunk < chunkCount; chunk++) {
                long firstRow = (long) chunk * rowsPerChunk;
                grown[chunk] = memory.map(rowsPerChunk * strideBytes, arena, () -> touchedBytes(firstRow));
            }
            chunks = grown;
        }
        mappedEnd = Math.max(mappedEnd, end);
    }

    /** Up to where a chunk may have been written; 0 if it has holes, so that to clear it would take pages that it does not have. */
    private long touchedBytes(long firstRow) {
        return discarded ? 0 : Math.clamp(mappedEnd - firstRow, 0, rowsPerChunk) * strideBytes;
    }

    /** Makes the row that {@link #nextRow()} returned part of the table. */
    public void publishRow() {
        long published = rowCount; // one appending thread, so nothing comes between
        rowCount = published + 1;
    }

    /** Makes this many rows the table, whatever they hold; those of before must not be in use any more. */
    void reuse(int count) {
        rowCount = 0;
        for (int i = 0; i < count; i++) {
            nextRow();
            publishRow();
        }
    }

    /** Returns the memory of one published row, {@code strideBytes} long. */
    public MemorySegment row(long ordinal) {
        Objects.checkIndex(ordinal, rowCount);
        return rowAt(ordinal);
    }

    /**
     * Returns the memory of {@code count} consecutive published rows of one tile.
     *
     * @throws IndexOutOfBoundsException if the rows are not published or not all in one tile
     */
    public MemorySegment rows(long firstOrdinal, int count) {
        Objects.checkFromIndexSize(firstOrdinal, count, rowCount);
        Objects.checkFromIndexSize((int) (firstOrdinal % TILE_ROWS), count, TILE_ROWS);
        return chunks[(int) (firstOrdinal / rowsPerChunk)].asSlice(
                (firstOrdinal % rowsPerChunk) * strideBytes, count * strideBytes);
    }

    /**
     * Gives the memory of {@code count} consecutive published rows of one tile back, as far as whole pages go. They read as zeros
     * from then on. Readers who care for these rows must have gone.
     */
    public void discard(long firstOrdinal, int count) {
        discarded = true;
        AnonymousMemory.discard(rows(firstOrdinal, count));
    }

    /** Makes a row that is not published read as zeros, whatever was written there. */
    public void clear(long ordinal) {
        MemorySegment row = Objects.requireNonNull(unpublishedRows(ordinal, 1), "one row lies in one piece");
        row.fill((byte) 0); // the pages that it shares with others
        AnonymousMemory.discard(row);
    }

    private MemorySegment rowAt(long ordinal) {
        return chunks[(int) (ordinal / rowsPerChunk)].asSlice((ordinal % rowsPerChunk) * strideBytes, strideBytes);
    }

    @Override
    public void close() {
        arena.close();
    }
}
