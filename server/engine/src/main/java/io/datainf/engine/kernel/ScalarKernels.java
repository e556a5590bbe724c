package io.datainf.engine.kernel;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Plain Java loops in float64. Rows are widened in pieces that stay in the first cache. */
final class ScalarKernels implements GradientKernels {

    static final ScalarKernels INSTANCE = new ScalarKernels();

    private static final int PIECE_ELEMENTS = 1024;
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private ScalarKernels() {}

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public double relativeError() {
        // More roundings than float32's 8, because sums run on over all tiles.
        return 64 * 0x1p-53;
    }

    @Override
    public int preferredElements(int columnCount) {
        return 1;
    }

    @Override
    public ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        DoubleColumns v = (DoubleColumns) vectors;
        MemorySegment rows = tile.rows();
        double[] piece = new double[PIECE_ELEMENTS];
        double[] rowDots = new double[v.columnCount()];
        for (int b = 0; b < tile.blocks().blockCount(); b++) {
            for (int k = 0; k < tile.rowCount(); k++) {
                rowDots(tile, rows, k, b, v, piece, rowDots);
                for (int j = 0; j < rowDots.length; j++) {
                    dots[(b * rowDots.length + j) * tile.rowCount() + k] = rowDots[j];
                }
            }
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        DoubleColumns v = (DoubleColumns) vectors;
        DoubleColumns r = (DoubleColumns) sums;
        MemorySegment rows = tile.rows();
        double[] piece = new double[PIECE_ELEMENTS];
        double[] rowDots = new double[v.columnCount()];
        double[] coefficients = new double[r.columnCount()];
        int setLength = tile.blocks().blockCount() * tile.rowCount();
        for (int b = 0; b < tile.blocks().blockCount(); b++) {
            for (int k = 0; k < tile.rowCount(); k++) {
                rowDots(tile, rows, k, b, v, piece, rowDots);
                for (int at = 0; at < coefficients.length; at++) {
                    int set = at / rowDots.length;
                    double weight = weights[set * setLength + b * tile.rowCount() + k];
                    coefficients[at] = weight == 0 ? 0 : weight * rowDots[at % rowDots.length];
                }
                addRow(tile, rows, k, b, coefficients, piece, r);
            }
        }
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target) {
        BlockLayout layout = blocks.layout();
        double[] piece = new double[PIECE_ELEMENTS];
        for (int l = blocks.firstBlock(); l < blocks.endBlock(); l++) {
            double sum = 0;
            for (int done = 0; done < layout.width(l); done += PIECE_ELEMENTS) {
                int count = Math.min(PIECE_ELEMENTS, layout.width(l) - done);
                widen(row, elementType, (long) (layout.offset(l) + done) * elementType.byteCount(), piece, count);
                for (int i = 0; i < count; i++) {
                    sum += piece[i] * piece[i];
                }
            }
            target[l] = sum;
        }
    }

    /** Inner products of block {@code b} of row {@code k} with all columns. */
    private static void rowDots(
            GradientTile tile, MemorySegment rows, int k, int b, DoubleColumns v, double[] piece, double[] rowDots) {
        Arrays.fill(rowDots, 0);
        int width = tile.blocks().width(b);
        for (int done = 0; done < width; done += PIECE_ELEMENTS) {
            int count = Math.min(PIECE_ELEMENTS, width - done);
            widen(rows, tile.elementType(), offsetBytes(tile, k, b, done), piece, count);
            for (int j = 0; j < rowDots.length; j++) {
                rowDots[j] += dot(piece, count, v.values(), v.index(j, b) + done);
            }
        }
    }

    /** Adds block {@code b} of row {@code k} to each column, multiplied by its coefficient; where that is 0, not at all. */
    private static void addRow(
            GradientTile tile,
            MemorySegment rows,
            int k,
            int b,
            double[] coefficients,
            double[] piece,
            DoubleColumns r) {
        int width = tile.blocks().width(b);
        for (int done = 0; done < width; done += PIECE_ELEMENTS) {
            int count = Math.min(PIECE_ELEMENTS, width - done);
            widen(rows, tile.elementType(), offsetBytes(tile, k, b, done), piece, count);
            for (int j = 0; j < coefficients.length; j++) {
                if (coefficients[j] != 0) {
                    add(coefficients[j], piece, count, r.values(), r.index(j, b) + done);
                }
            }
        }
    }

    private static long offsetBytes(GradientTile tile, int k, int b, int element) {
        return tile.rowOffsetBytes(k)
                + (long) (tile.blocks().offset(b) + element)
                        * tile.elementType().byteCount();
    }

    /** Four sums, so that one addition need not wait for the one before. */
    private static double dot(double[] g, int count, MemorySegment v, long first) {
        double sum0 = 0;
        double sum1 = 0;
        double sum2 = 0;
        double sum3 = 0;
        int i = 0;
        for (; i < count - 3; i += 4) {
            sum0 += g[i] * v.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i);
            sum1 += g[i + 1] * v.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i + 1);
            sum2 += g[i + 2] * v.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i + 2);
            sum3 += g[i + 3] * v.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i + 3);
        }
        for (; i < count; i++) {
            sum0 += g[i] * v.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i);
        }
        return (sum0 + sum1) + (sum2 + sum3);
    }

    private static void add(double coefficient, double[] g, int count, MemorySegment r, long first) {
        for (int i = 0; i < count; i++) {
            double sum = r.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i) + coefficient * g[i];
            r.setAtIndex(ValueLayout.JAVA_DOUBLE, first + i, sum);
        }
    }

    private static void widen(MemorySegment source, ElementType type, long offsetBytes, double[] target, int count) {
        switch (type) {
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = source.get(F32, offsetBytes + (long) i * Float.BYTES);
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    short bits = source.get(U16, offsetBytes + (long) i * Short.BYTES);
                    target[i] = Float.intBitsToFloat(bits << Short.SIZE);
                }
            }
            case F16 -> throw new IllegalArgumentException("elementType is F16: expected F32 or BF16");
        }
    }
}
