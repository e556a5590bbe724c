package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Some consecutive rows of a tile, and a cursor over the pieces of one block of them. A piece is whole units of the rows in place; what is
 * left over at the end of a block is a piece of its own, one unit filled up with zeros in a copy. Confined to a thread.
 */
final class RowGroup {

    private final GradientTile tile;
    private final MemorySegment rows;
    private final MemorySegment rest;
    private final long strideBytes;
    private final int elementBytes;
    private final int maxRows;
    private final int[] fetched = new int[FetchLoops.RESULT_LENGTH];
    private int firstRow;
    private int rowCount;
    // The block
    private int block;
    private int end;
    private int next;
    // The piece
    private MemorySegment piece;
    private int element;
    private int units;
    private long offset;
    private long pieceStride;

    /** Prepares groups of at most {@code maxRows} rows; scratch memory lives as long as {@code arena}. */
    RowGroup(GradientTile tile, int maxRows, Arena arena) {
        this.tile = tile;
        this.rows = tile.rows();
        this.piece = rows;
        this.strideBytes = tile.strideBytes();
        this.elementBytes = tile.elementType().byteCount();
        this.maxRows = maxRows;
        this.rest = arena.allocate((long) maxRows * Lanes.UNIT * elementBytes, Lanes.REGISTER_BYTES);
    }

    /** Takes the rows of the tile from {@code row} on. */
    void moveTo(int row) {
        firstRow = row;
        rowCount = Math.min(maxRows, tile.rowCount() - row);
    }

    /** First row of the group in the tile. */
    int firstRow() {
        return firstRow;
    }

    /** Rows of the group. */
    int rowCount() {
        return rowCount;
    }

    /** Goes to the beginning of a block of the range. */
    void startBlock(int b) {
        startBlock(b, 0, tile.blocks().width(b));
    }

    /** Goes to a part of a block of the range, from element {@code from}, a multiple of {@link Lanes#UNIT}, to element {@code to}. */
    void startBlock(int b, int from, int to) {
        block = b;
        end = to;
        next = from;
    }

    /**
     * Goes to the next piece of the block.
     *
     * @param maxElements a multiple of {@link Lanes#UNIT}; pieces begin at multiples of it, except for the rest of the block
     * @return whether there is one
     */
    boolean nextPiece(int maxElements) {
        if (next >= end) {
            return false;
        }
        element = next;
        long source = tile.rowOffsetBytes(firstRow) + (long) (tile.blocks().offset(block) + element) * elementBytes;
        units = Math.min(maxElements, end - element) / Lanes.UNIT;
        if (units > 0) {
            piece = rows;
            offset = source;
            pieceStride = strideBytes;
        } else {
            units = 1;
            copyRest(source, end - element);
        }
        next = element + units * Lanes.UNIT;
        return true;
    }

    private void copyRest(long source, int elements) {
        piece = rest;
        offset = 0;
        pieceStride = (long) Lanes.UNIT * elementBytes;
        rest.fill((byte) 0);
        for (int i = 0; i < rowCount; i++) {
            MemorySegment.copy(rows, source + i * strideBytes, rest, i * pieceStride, (long) elements * elementBytes);
        }
    }

    /** Brings rows {@code i} and {@code i + 1} of the group into the cache, from one element of the range to another. */
    void fetch(int i, int from, int to) {
        long start = tile.rowOffsetBytes(firstRow) + (long) from * elementBytes;
        long g0 = start + Math.min(i, rowCount - 1) * strideBytes;
        long g1 = start + Math.min(i + 1, rowCount - 1) * strideBytes;
        FetchLoops.fetch2(rows, g0, g1, (long) (to - from) * elementBytes, fetched);
    }

    /** Memory of the piece. */
    MemorySegment piece() {
        return piece;
    }

    /** Position of the piece in the block, in elements. */
    int element() {
        return element;
    }

    /** Units of the piece. */
    int units() {
        return units;
    }

    /** Position of the piece in row {@code i} of the group, or in the last row if there is none, bytes. */
    long offset(int i) {
        return offset + Math.min(i, rowCount - 1) * pieceStride;
    }

    /** Distance of the rows in the memory of the piece, bytes. */
    long strideBytes() {
        return pieceStride;
    }
}
