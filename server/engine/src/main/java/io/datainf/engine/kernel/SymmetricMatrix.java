package io.datainf.engine.kernel;

import java.lang.foreign.Arena;

/*
 * The lower triangle in block columns of TILE columns: block column j holds the rows from TILE j on, column-major. Tile (i, j), i >= j, is the part of it that begins
 * with row TILE i. Above the diagonal of tiles (j, j) is nothing of interest.
 *
 * Cholesky, left-looking: for each block column j, update(i, j) for all i >= j in any order, factorDiagonal(j), solveTile(i, j) for all i > j in any order.
 */
/**
 * A symmetric matrix in float64, off-heap, with what it takes to form it from products and to solve with it, tile by tile. The order of sums depends on
 * the order only. Tiles may be worked on by several threads, each by one. Needs {@link DenseAlgebra#available()}.
 */
public final class SymmetricMatrix {

    /** Rows and columns of a tile; less in the last ones. */
    public static final int TILE = 256;

    private final int order;
    private final DenseMatrix[] columns;

    /**
     * Allocates a matrix of 0 that lives as long as {@code arena}.
     *
     * @param order rows and columns
     * @param check run between block columns, since clearing memory takes time; what it throws ends the work
     */
    public SymmetricMatrix(int order, Arena arena, Runnable check) {
        this.order = order;
        this.columns = new DenseMatrix[Math.ceilDiv(order, TILE)];
        for (int j = 0; j < columns.length; j++) {
            check.run();
            columns[j] = new DenseMatrix(order - j * TILE, width(j), arena);
        }
    }

    /** Bytes that a matrix of {@code order} rows takes. */
    public static long byteCount(int order) {
        long bytes = 0;
        for (int first = 0; first < order; first += TILE) {
            bytes += DenseMatrix.byteCount(order - first, Math.min(TILE, order - first));
        }
        return bytes;
    }

    /** Rows and columns. */
    public int order() {
        return order;
    }

    /** Tiles in a row. */
    public int tileCount() {
        return columns.length;
    }

    /** Tiles of the lower triangle. */
    public int pairCount() {
        return Math.toIntExact(pairCount(columns.length));
    }

    private static long pairCount(long tiles) {
        return tiles * (tiles + 1) / 2;
    }

    /** Adds a' a to tile number {@code pair} of the lower triangle, for a matrix with {@link #order()} columns. */
    public void addProductsOfColumns(int pair, DenseMatrix a) {
        int i = row(pair);
        int j = pair - (int) pairCount(i);
        DenseMatrix right = a.columns(j * TILE, width(j));
        if (i == j) {
            OpenBlas.multiplyByItself(1, right, true, tile(j, j));
        } else {
            OpenBlas.multiply(1, a.columns(i * TILE, width(i)), true, right, false, tile(i, j));
        }
    }

    /** Adds a a' to tile number {@code pair} of the lower triangle, for a matrix with {@link #order()} rows. */
    public void addProductsOfRows(int pair, DenseMatrix a) {
        int i = row(pair);
        int j = pair - (int) pairCount(i);
        DenseMatrix right = a.part(j * TILE, 0, width(j), a.columnCount());
        if (i == j) {
            OpenBlas.multiplyByItself(1, right, false, tile(j, j));
        } else {
            DenseMatrix left = a.part(i * TILE, 0, width(i), a.columnCount());
            OpenBlas.multiply(1, left, false, right, true, tile(i, j));
        }
    }

    /** Becomes {@code scale * source + diagonal * I}, tile number {@code pair} of it. */
    public void copyTile(int pair, SymmetricMatrix source, double scale, double diagonal) {
        int i = row(pair);
        int j = pair - (int) pairCount(i);
        DenseMatrix from = source.tile(i, j);
        DenseMatrix to = tile(i, j);
        for (int c = 0; c < to.columnCount(); c++) {
            for (int r = 0; r < to.rowCount(); r++) {
                to.set(r, c, scale * from.get(r, c));
            }
            if (i == j) {
                to.set(c, c, to.get(c, c) + diagonal);
            }
        }
    }

    /** Cholesky's method: takes what the block columns before {@code j} contribute off tile (i, j). */
    public void update(int i, int j) {
        for (int k = 0; k < j; k++) {
            if (i == j) {
                OpenBlas.multiplyByItself(-1, tile(j, k), false, tile(j, j));
            } else {
                OpenBlas.multiply(-1, tile(i, k), false, tile(j, k), true, tile(i, j));
            }
        }
    }

    /** Cholesky's method: factors tile (j, j). Returns whether it is positive definite and finite. */
    public boolean factorDiagonal(int j) {
        DenseMatrix diagonal = tile(j, j);
        boolean factored = OpenBlas.factor(diagonal);
        for (int c = 0; c < diagonal.columnCount(); c++) {
            double root = diagonal.get(c, c);
            factored &= root > 0 && root < Double.POSITIVE_INFINITY;
        }
        return factored;
    }

    /** Cholesky's method: makes tile (i, j) one of the factor, once (j, j) is. */
    public void solveTile(int i, int j) {
        OpenBlas.solveRightTransposed(tile(j, j), tile(i, j));
    }

    /**
     * Solves A x = b, this being the factor of A.
     *
     * @param x b, then x, with {@link #order()} rows
     * @param check run between block columns; what it throws ends the work
     */
    public void solve(DenseMatrix x, Runnable check) {
        for (int j = 0; j < columns.length; j++) {
            check.run();
            DenseMatrix part = rows(x, j);
            OpenBlas.solveLeft(tile(j, j), false, part);
            rowsBelow(x, j).addProduct(-1, below(j), part);
        }
        for (int j = columns.length - 1; j >= 0; j--) {
            check.run();
            DenseMatrix part = rows(x, j);
            part.addTransposedProduct(-1, below(j), rowsBelow(x, j));
            OpenBlas.solveLeft(tile(j, j), true, part);
        }
    }

    /**
     * Computes y = A x, this being A.
     *
     * @param x with {@link #order()} rows
     * @param y of the same shape
     * @param check run between block columns; what it throws ends the work
     */
    public void multiply(DenseMatrix x, DenseMatrix y, Runnable check) {
        y.clear();
        for (int j = 0; j < columns.length; j++) {
            check.run();
            OpenBlas.multiplySymmetric(tile(j, j), rows(x, j), rows(y, j));
            rows(y, j).addTransposedProduct(1, below(j), rowsBelow(x, j));
            rowsBelow(y, j).addProduct(1, below(j), rows(x, j));
        }
    }

    private int width(int j) {
        return Math.min(TILE, order - j * TILE);
    }

    private DenseMatrix tile(int i, int j) {
        return columns[j].part((i - j) * TILE, 0, width(i), width(j));
    }

    /** Block column j below its tile on the diagonal. */
    private DenseMatrix below(int j) {
        return columns[j].part(width(j), 0, columns[j].rowCount() - width(j), width(j));
    }

    private DenseMatrix rows(DenseMatrix x, int j) {
        return x.part(j * TILE, 0, width(j), x.columnCount());
    }

    private DenseMatrix rowsBelow(DenseMatrix x, int j) {
        int first = j * TILE + width(j);
        return x.part(first, 0, order - first, x.columnCount());
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
}
