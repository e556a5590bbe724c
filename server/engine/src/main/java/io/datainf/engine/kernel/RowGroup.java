package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Four consecutive rows of a tile and their products with the columns. At the end of a tile the last row stands in for those that are
 * missing, with weight 0. Confined to a thread.
 */
final class RowGroup implements AutoCloseable {

    /** Rows of a group. */
    static final int ROWS = 4;

    // Four rows of a piece fill half of a 64 KiB cache; short enough for the float32 sums of a lane, which are added up
    // in float64.
    private static final int PIECE_ELEMENTS = 2048;
    private static final int PIECE_BYTES = PIECE_ELEMENTS * Float.BYTES;
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final GradientTile tile;
    private final MemorySegment rows;
    private final boolean widening;
    private final Arena arena = Arena.ofConfined();
    // The piece at work: `piece` is `rows` itself, or for bfloat16 a copy in float32.
    private final MemorySegment piece;
    private final long[] pieceOffsets = new long[ROWS];
    private final long[] rowOffsets = new long[ROWS];
    private final float[] lanes = new float[2 * ROWS * FloatLoops.LANES];
    private final double[] dots; // [columns, ROWS]
    private final float[] coefficients; // [sums, ROWS]
    private int firstRow;
    private int rowCount;

    /** Makes room for the products with {@code columnCount} columns and the coefficients of {@code sumCount} sums. */
    RowGroup(GradientTile tile, int columnCount, int sumCount) {
        this.tile = tile;
        this.rows = tile.rows();
        this.widening = tile.elementType() == ElementType.BF16;
        this.piece = widening ? arena.allocate(ValueLayout.JAVA_FLOAT, (long) ROWS * PIECE_ELEMENTS) : rows;
        this.dots = new double[columnCount * ROWS];
        this.coefficients = new float[sumCount * ROWS];
    }

    /** Takes the rows of the tile from {@code row} on. */
    void moveTo(int row) {
        firstRow = row;
        rowCount = Math.min(ROWS, tile.rowCount() - row);
        for (int i = 0; i < ROWS; i++) {
            rowOffsets[i] = tile.rowOffsetBytes(row + Math.min(i, rowCount - 1));
        }
    }

    /** Computes the inner products of block {@code b} of the rows with all columns. */
    void computeDots(int b, FloatColumns v) {
        Arrays.fill(dots, 0);
        int start = tile.blocks().offset(b);
        int end = start + tile.blocks().width(b);
        for (int element = start; element < end; element += PIECE_ELEMENTS) {
            int count = Math.min(PIECE_ELEMENTS, end - element);
            loadPiece(element, count);
            int whole = count - count % FloatLoops.LANES;
            int j = 0;
            for (; j < v.columnCount() - 1; j += 2) {
                long v0 = v.offsetBytes(j, element);
                long v1 = v.offsetBytes(j + 1, element);
                FloatLoops.dots4x2(piece, pieceOffsets, v.values(), v0, v1, whole, lanes);
                addLanes(j, 2);
            }
            if (j < v.columnCount()) {
                FloatLoops.dots4x1(piece, pieceOffsets, v.values(), v.offsetBytes(j, element), whole, lanes);
                addLanes(j, 1);
            }
            if (whole < count) {
                addTailDots(element, whole, count, v);
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
                        coefficients[first + at] = (float) (weight * dots[at]);
                    }
                }
            }
        }
    }

    /** Adds block {@code b} of the rows to all sums, multiplied by their coefficients. */
    void addRows(int b, FloatColumns sums) {
        int start = tile.blocks().offset(b);
        int end = start + tile.blocks().width(b);
        for (int element = start; element < end; element += PIECE_ELEMENTS) {
            int count = Math.min(PIECE_ELEMENTS, end - element);
            loadPiece(element, count);
            int whole = count - count % FloatLoops.LANES;
            for (int j = 0; j < sums.columnCount(); j++) {
                long target = sums.offsetBytes(j, element);
                FloatLoops.addRows4(piece, pieceOffsets, coefficients, j * ROWS, sums.values(), target, whole);
                for (int i = whole; i < count; i++) {
                    addTail(j, i, sums.values(), target);
                }
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }

    private void loadPiece(int element, int count) {
        for (int i = 0; i < ROWS; i++) {
            long source = rowOffsets[i] + (long) element * tile.elementType().byteCount();
            if (widening) {
                pieceOffsets[i] = (long) i * PIECE_BYTES;
                Bf16Loops.widen(rows, source, piece, pieceOffsets[i], count);
            } else {
                pieceOffsets[i] = source;
            }
        }
    }

    /** Adds the lanes of {@code columns} columns, [columns, ROWS, lanes], to the products, in order. */
    private void addLanes(int column, int columns) {
        int lane = 0;
        for (int at = column * ROWS; at < (column + columns) * ROWS; at++) {
            double sum = dots[at];
            for (int end = lane + FloatLoops.LANES; lane < end; lane++) {
                sum += lanes[lane];
            }
            dots[at] = sum;
        }
    }

    private void addTailDots(int element, int from, int to, FloatColumns v) {
        for (int at = 0; at < dots.length; at++) {
            long g = pieceOffsets[at % ROWS];
            long column = v.offsetBytes(at / ROWS, element);
            double sum = dots[at];
            for (int i = from; i < to; i++) {
                long offset = (long) i * Float.BYTES;
                sum += (double) piece.get(F32, g + offset) * v.values().get(F32, column + offset);
            }
            dots[at] = sum;
        }
    }

    private void addTail(int column, int i, MemorySegment sums, long target) {
        long offset = (long) i * Float.BYTES;
        float sum = sums.get(F32, target + offset);
        for (int row = 0; row < ROWS; row++) {
            sum += coefficients[column * ROWS + row] * piece.get(F32, pieceOffsets[row] + offset);
        }
        sums.set(F32, target + offset, sum);
    }
}
