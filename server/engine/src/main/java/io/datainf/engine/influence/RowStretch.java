package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.GradientMatrix;

/**
 * Consecutive rows of a sample set, and the matrix where a pass finds them. Cut at multiples of a number of rows that divides a tile or is
 * one, so that the cuts follow from ordinals only.
 *
 * @param matrix holds them, under their ordinals
 * @param firstOrdinal first row
 * @param endOrdinal row after the last one
 */
record RowStretch(GradientMatrix matrix, int firstOrdinal, int endOrdinal) {

    int rowCount() {
        return endOrdinal - firstOrdinal;
    }

    /** Pieces that the multiples of {@code rows} cut the stretch into. */
    int pieceCount(int rows) {
        return Math.ceilDiv(endOrdinal, rows) - firstOrdinal / rows;
    }

    /** First row of a piece. */
    int pieceStart(int piece, int rows) {
        return piece == 0 ? firstOrdinal : (firstOrdinal / rows + piece) * rows;
    }

    /** Rows of a piece. */
    int pieceRows(int piece, int rows) {
        return Math.min(pieceStart(piece + 1, rows), endOrdinal) - pieceStart(piece, rows);
    }

    /** Returns the rectangle of a range of blocks and of consecutive rows of one tile. */
    GradientTile tile(BlockRange range, int ordinal, int rows) {
        return new GradientTile(matrix, ordinal, rows, range);
    }
}
