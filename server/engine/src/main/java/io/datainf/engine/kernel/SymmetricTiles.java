package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/*
 * The lower triangle in tiles of 64 x 64, tile (i, j) for i >= j with column c of the tile contiguous: entry (64 i + r, 64 j + c) at 64 c + r. Then sums of
 * products of panels, the update of a tile in Cholesky's method and the triangular solve are all the same loop over contiguous columns. Rows and columns that
 * pad the last tiles are 0, on the diagonal 1.
 *
 * Cholesky, left-looking: for each column of tiles j, update(i, j) for all i >= j in any order, factorDiagonal(j), solveTile(i, j) for all i > j in any order.
 */
/**
 * A symmetric matrix in float64, off-heap, with what it takes to form it from products and to solve with it. The order of sums is fixed. Tiles may be worked
 * on by several threads, each by one.
 */
public final class SymmetricTiles {

    /** Rows and columns of a tile. */
    public static final int TILE = 64;

    private static final long STRIDE = TILE; // entries from one column of a tile to the next
    private static final VectorSpecies<Double> SPECIES = DoubleVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final long LANE_BYTES = (long) LANES * Double.BYTES;
    private static final int COLUMN_BYTES = TILE * Double.BYTES;
    private static final long TILE_BYTES = (long) TILE * COLUMN_BYTES;
    private static final int STEP = 4; // columns at a time

    private final int order;
    private final int tileCount;
    private final MemorySegment values;

    /** Allocates a matrix of 0 with {@code order} rows that lives as long as {@code arena}. */
    public SymmetricTiles(int order, Arena arena) {
        this.order = order;
        this.tileCount = tileCount(order);
        this.values = arena.allocate(byteCount(order), SPECIES.vectorByteSize());
    }

    /** Bytes that a matrix of {@code order} rows takes. */
    public static long byteCount(int order) {
        return pairCount(tileCount(order)) * TILE_BYTES;
    }

    /** Tiles in a row of a matrix of {@code order} rows. */
    public static int tileCount(int order) {
        return Math.ceilDiv(order, TILE);
    }

    private static long pairCount(long tiles) {
        return tiles * (tiles + 1) / 2;
    }

    /** Tiles in a row. */
    public int tileCount() {
        return tileCount;
    }

    /** Tiles of the lower triangle. */
    public int pairCount() {
        return Math.toIntExact(pairCount(tileCount));
    }

    /** Rows with padding: the length of vectors to multiply and solve with. */
    public int paddedOrder() {
        return tileCount * TILE;
    }

    /** Adds the products of the lanes of panels, summed over their depth, to tile number {@code pair} of the lower triangle. */
    public void addProducts(int pair, TilePanels panels) {
        int i = row(pair);
        int j = pair - (int) pairCount(i);
        multiply(panels.values(), panels.offsetBytes(j), panels.offsetBytes(i), panels.depth(), offset(i, j), 1);
    }

    /** Becomes {@code scale * source + diagonal * I}, tile number {@code pair} of it. */
    public void copyTile(int pair, SymmetricTiles source, double scale, double diagonal) {
        int i = row(pair);
        int j = pair - (int) pairCount(i);
        long first = offset(i, j) / Double.BYTES;
        for (long at = first; at < first + (long) TILE * TILE; at++) {
            set(at, scale * source.get(at));
        }
        for (int c = 0; i == j && c < TILE; c++) {
            long at = first + c * STRIDE + c;
            set(at, i * TILE + c < order ? get(at) + diagonal : 1);
        }
    }

    /** Cholesky's method: takes what the columns of tiles before {@code j} contribute off tile (i, j). */
    public void update(int i, int j) {
        for (int k = 0; k < j; k++) {
            multiply(values, offset(j, k), offset(i, k), TILE, offset(i, j), -1);
        }
    }

    /** Cholesky's method: factors tile (j, j). Returns whether it is positive definite. */
    public boolean factorDiagonal(int j) {
        long first = offset(j, j) / Double.BYTES;
        for (int c = 0; c < TILE; c++) {
            for (int k = 0; k < c; k++) {
                double factor = get(first + k * STRIDE + c);
                for (int r = c; r < TILE; r++) {
                    add(first + c * STRIDE + r, -factor * get(first + k * STRIDE + r));
                }
            }
            double pivot = get(first + c * STRIDE + c);
            if (!(pivot > 0) || Double.isInfinite(pivot)) {
                return false;
            }
            double root = Math.sqrt(pivot);
            for (int r = c; r < TILE; r++) {
                set(first + c * STRIDE + r, get(first + c * STRIDE + r) / root);
            }
        }
        return true;
    }

    /** Cholesky's method: makes tile (i, j) one of the factor, once (j, j) is. */
    public void solveTile(int i, int j) {
        long diagonal = offset(j, j) / Double.BYTES;
        long first = offset(i, j) / Double.BYTES;
        for (int c = 0; c < TILE; c++) {
            for (int k = 0; k < c; k++) {
                double factor = get(diagonal + k * STRIDE + c);
                for (int r = 0; r < TILE; r++) {
                    add(first + c * STRIDE + r, -factor * get(first + k * STRIDE + r));
                }
            }
            double pivot = get(diagonal + c * STRIDE + c);
            for (int r = 0; r < TILE; r++) {
                set(first + c * STRIDE + r, get(first + c * STRIDE + r) / pivot);
            }
        }
    }

    /**
     * Solves A x = b, this being the factor of A.
     *
     * @param x b, then x, [paddedOrder], 0 in the padding
     */
    public void solve(double[] x) {
        Objects.checkFromIndexSize(0, paddedOrder(), x.length);
        for (int j = 0; j < tileCount; j++) {
            for (int c = 0; c < TILE; c++) {
                int at = j * TILE + c;
                x[at] /= get(offset(j, j) / Double.BYTES + c * STRIDE + c);
                for (int i = j; i < tileCount; i++) {
                    int from = i == j ? c + 1 : 0;
                    addColumn(offset(i, j) / Double.BYTES + c * STRIDE, from, -x[at], x, i * TILE);
                }
            }
        }
        for (int j = tileCount - 1; j >= 0; j--) {
            for (int c = TILE - 1; c >= 0; c--) {
                int at = j * TILE + c;
                double sum = x[at];
                for (int i = j; i < tileCount; i++) {
                    int from = i == j ? c + 1 : 0;
                    sum -= dotColumn(offset(i, j) / Double.BYTES + c * STRIDE, from, x, i * TILE);
                }
                x[at] = sum / get(offset(j, j) / Double.BYTES + c * STRIDE + c);
            }
        }
    }

    /**
     * Computes y = A x, this being A.
     *
     * @param x [paddedOrder], 0 in the padding
     * @param y receives [paddedOrder]
     */
    public void multiply(double[] x, double[] y) {
        Objects.checkFromIndexSize(0, paddedOrder(), x.length);
        Arrays.fill(y, 0, paddedOrder(), 0);
        for (int j = 0; j < tileCount; j++) {
            for (int c = 0; c < TILE; c++) {
                int at = j * TILE + c;
                for (int i = j; i < tileCount; i++) {
                    int from = i == j ? c : 0;
                    long column = offset(i, j) / Double.BYTES + c * STRIDE;
                    addColumn(column, from, x[at], y, i * TILE);
                    y[at] += dotColumn(column, i == j ? c + 1 : 0, x, i * TILE);
                }
            }
        }
    }

    private void addColumn(long column, int from, double factor, double[] target, int targetIndex) {
        for (int r = from; r < TILE; r++) {
            target[targetIndex + r] += factor * get(column + r);
        }
    }

    private double dotColumn(long column, int from, double[] x, int xIndex) {
        double sum = 0;
        for (int r = from; r < TILE; r++) {
            sum += get(column + r) * x[xIndex + r];
        }
        return sum;
    }

    /** Adds sign * sum_k b_k[c] a_k[r] to entry (r, c) of the tile at {@code target}; a_k and b_k are runs of 64. */
    private void multiply(MemorySegment source, long b, long a, int depth, long target, int sign) {
        for (int c = 0; c < TILE; c += STEP) {
            for (int r = 0; r < TILE; r += 2 * LANES) {
                long rowBytes = (long) r * Double.BYTES;
                multiplyStep(
                        source,
                        b + (long) c * Double.BYTES,
                        a + rowBytes,
                        depth,
                        target + (long) c * COLUMN_BYTES + rowBytes,
                        sign);
            }
        }
    }

    private void multiplyStep(MemorySegment source, long b, long a, int depth, long target, int sign) {
        DoubleVector s00 = DoubleVector.zero(SPECIES);
        DoubleVector s01 = s00;
        DoubleVector s10 = s00;
        DoubleVector s11 = s00;
        DoubleVector s20 = s00;
        DoubleVector s21 = s00;
        DoubleVector s30 = s00;
        DoubleVector s31 = s00;
        long end = a + (long) depth * COLUMN_BYTES;
        long bAt = b;
        for (long at = a; at < end; at += COLUMN_BYTES) {
            DoubleVector a0 = load(source, at);
            DoubleVector a1 = load(source, at + LANE_BYTES);
            DoubleVector b0 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt));
            DoubleVector b1 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 8));
            DoubleVector b2 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 16));
            DoubleVector b3 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 24));
            s00 = a0.fma(b0, s00);
            s01 = a1.fma(b0, s01);
            s10 = a0.fma(b1, s10);
            s11 = a1.fma(b1, s11);
            s20 = a0.fma(b2, s20);
            s21 = a1.fma(b2, s21);
            s30 = a0.fma(b3, s30);
            s31 = a1.fma(b3, s31);
            bAt += COLUMN_BYTES;
        }
        addTo(target, s00, s01, sign);
        addTo(target + COLUMN_BYTES, s10, s11, sign);
        addTo(target + 2 * COLUMN_BYTES, s20, s21, sign);
        addTo(target + 3 * COLUMN_BYTES, s30, s31, sign);
    }

    private void addTo(long target, DoubleVector first, DoubleVector second, int sign) {
        load(values, target).add(first.mul(sign)).intoMemorySegment(values, target, ByteOrder.nativeOrder());
        load(values, target + LANE_BYTES)
                .add(second.mul(sign))
                .intoMemorySegment(values, target + LANE_BYTES, ByteOrder.nativeOrder());
    }

    private static DoubleVector load(MemorySegment source, long offset) {
        return DoubleVector.fromMemorySegment(SPECIES, source, offset, ByteOrder.nativeOrder());
    }

    /** Position of a tile, bytes. */
    private long offset(int i, int j) {
        return (pairCount(i) + j) * TILE_BYTES;
    }

    /** Row of tile number {@code pair} of the lower triangle. */
    private static int row(int pair) {
        int row = (int) ((Math.sqrt(8.0 * pair + 1) - 1) / 2);
        while (pairCount(row + 1) <= pair) {
            row++;
        }
        while (pairCount(row) > pair) {
            row--;
        }
        return row;
    }

    private double get(long index) {
        return values.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
    }

    private void set(long index, double value) {
        values.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
    }

    private void add(long index, double value) {
        set(index, get(index) + value);
    }
}
