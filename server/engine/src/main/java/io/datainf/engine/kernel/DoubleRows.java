package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Four consecutive rows of a tile, widened to float64 piece by piece, and their products with the columns. At the end of a tile the last row
 * stands in for those that are missing, with coefficient 0. Confined to a thread.
 */
final class DoubleRows {

    /** Rows of a group. */
    static final int ROWS = 4;

    private static final int PIECE_ELEMENTS = 512;
    private static final long PIECE_BYTES = (long) PIECE_ELEMENTS * Double.BYTES;

    private final GradientTile tile;
    private final MemorySegment rows;
    private final MemorySegment piece; // [ROWS, PIECE_ELEMENTS]
    private final double[] lanes = new double[ROWS * DoubleLoops.LANES];
    private final double[] dots; // [columns, ROWS]
    private final double[] coefficients; // [sums, ROWS]
    private int firstRow;
    private int rowCount;

    /** Makes room for the products with {@code columnCount} columns and the coefficients of {@code sumCount} sums. */
    DoubleRows(GradientTile tile, int columnCount, int sumCount, Arena arena) {
        this.tile = tile;
        this.rows = tile.rows();
        this.piece = arena.allocate(ROWS * PIECE_BYTES, Lanes.REGISTER_BYTES);
        this.dots = new double[columnCount * ROWS];
        this.coefficients = new double[sumCount * ROWS];
    }

    /** Takes the rows of the tile from {@code row} on. */
    void moveTo(int row) {
        firstRow = row;
        rowCount = Math.min(ROWS, tile.rowCount() - row);
    }

    /** Computes the products of block {@code b} of the rows with all columns. */
    void computeDots(int b, DoubleColumns v) {
        Arrays.fill(dots, 0);
        int width = tile.blocks().width(b);
        for (int element = 0; element < width; element += PIECE_ELEMENTS) {
            int count = load(b, element);
            for (int j = 0; j < v.columnCount(); j++) {
                long v0 = (v.index(j, b) + element) * Double.BYTES;
                DoubleLoops.dots4(piece, PIECE_BYTES, count, v.values(), v0, lanes, dots, j * ROWS);
            }
        }
    }

    /** Copies the products, [columns, rows of the tile], to {@code target} from {@code targetIndex} on. */
    void copyDots(double[] target, int targetIndex) {
        for (int at = 0; at < dots.length; at += ROWS) {
            int column = at / ROWS;
            System.arraycopy(dots, at, target, targetIndex + column * tile.rowCount() + firstRow, rowCount);
        }
    }

    /** Makes the coefficients of block {@code b} of the rows: products times weights, [sets, blocks, rows of the tile]. */
    void weightDots(double[] weights, int b) {
        Arrays.fill(coefficients, 0);
        for (int first = 0; first < coefficients.length; first += dots.length) {
            int set = first / dots.length;
            int firstWeight = (set * tile.blocks().blockCount() + b) * tile.rowCount() + firstRow;
            for (int i = 0; i < rowCount; i++) {
                double weight = weights[firstWeight + i];
                if (weight != 0) {
                    for (int at = i; at < dots.length; at += ROWS) {
                        coefficients[first + at] = weight * dots[at];
                    }
                }
            }
        }
    }

    /** Adds block {@code b} of the rows to all sums, multiplied by their coefficients. */
    void addRows(int b, DoubleColumns sums) {
        int width = tile.blocks().width(b);
        for (int element = 0; element < width; element += PIECE_ELEMENTS) {
            int count = load(b, element);
            for (int j = 0; j < sums.columnCount(); j++) {
                long r0 = (sums.index(j, b) + element) * Double.BYTES;
                DoubleLoops.addRows4(piece, PIECE_BYTES, count, coefficients, j * ROWS, sums.values(), r0);
            }
        }
    }

    /** Widens a piece of the rows. Returns its elements. */
    private int load(int b, int element) {
        int count = Math.min(PIECE_ELEMENTS, tile.blocks().width(b) - element);
        for (int i = 0; i < ROWS; i++) {
            long source = tile.rowOffsetBytes(firstRow + Math.min(i, rowCount - 1))
                    + (long) (tile.blocks().offset(b) + element)
                            * tile.elementType().byteCount();
            DoubleLoops.widen(rows, tile.elementType(), source, piece, i * PIECE_BYTES, count);
        }
        return count;
    }
}
