package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

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
    private static final long ALIGNMENT_BYTES = 64; // a cache line, and the widest vector
    private static final int COLUMN_BYTES = TILE * Double.BYTES;
    private static final long TILE_BYTES = (long) TILE * COLUMN_BYTES;

    private final int order;
    private final int tileCount;
    private final MemorySegment values;

    /** Allocates a matrix of 0 with {@code order} rows that lives as long as {@code arena}. */
    public SymmetricTiles(int order, Arena arena) {
        this.order = order;
        this.tileCount = tileCount(order);
        this.values = arena.allocate(byteCount(order), ALIGNMENT_BYTES);
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
        if (EngineChoice.VECTOR_PRESENT) {
            TileLoops.multiply(source, b, a, depth, values, target, sign);
        } else {
            multiplyPlainly(source, b, a, depth, target, sign);
        }
    }

    /** The same without the Vector API: sums in the same order, equal bits. */
    private void multiplyPlainly(MemorySegment source, long b, long a, int depth, long target, int sign) {
        double[] sums = new double[TILE];
        for (int c = 0; c < TILE; c++) {
            Arrays.fill(sums, 0);
            for (int k = 0; k < depth; k++) {
                long run = (long) k * COLUMN_BYTES;
                double factor = source.get(ValueLayout.JAVA_DOUBLE, b + run + (long) c * Double.BYTES);
                for (int r = 0; r < TILE; r++) {
                    double element = source.get(ValueLayout.JAVA_DOUBLE, a + run + (long) r * Double.BYTES);
                    sums[r] = Math.fma(element, factor, sums[r]);
                }
            }
            long column = (target + (long) c * COLUMN_BYTES) / Double.BYTES;
            for (int r = 0; r < TILE; r++) {
                add(column + r, sums[r] * sign);
            }
        }
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
