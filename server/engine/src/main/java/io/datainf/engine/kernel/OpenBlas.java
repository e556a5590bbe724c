package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.global.openblas;

/*
 * The threads of a computation call it, each for a part of a matrix: with threads of its own it would take more than its share, and its sums would depend on
 * their number.
 */
/** The routines of BLAS and LAPACK in use, as OpenBLAS has them, on the calling thread. Matrices are column-major; sums have a fixed order. */
final class OpenBlas {

    private static final byte LOWER = 'L';

    private OpenBlas() {}

    /** Loads the library; throws what JavaCPP throws if it cannot. */
    static void load() {
        // Its initializer loads the libraries.
        openblas.cblas_ddot(0, new double[1], 1, new double[1], 1);
        openblas.blas_set_num_threads(1);
    }

    /** dgemm: c += factor op(a) op(b), with op the transpose or nothing. */
    static void multiply(
            double factor, DenseMatrix a, boolean transposeA, DenseMatrix b, boolean transposeB, DenseMatrix c) {
        int depth = transposeA ? a.rowCount() : a.columnCount();
        requireShape(a, transposeA, c.rowCount(), depth);
        requireShape(b, transposeB, depth, c.columnCount());
        if (c.rowCount() > 0 && c.columnCount() > 0 && depth > 0) {
            openblas.cblas_dgemm(
                    openblas.CblasColMajor,
                    transpose(transposeA),
                    transpose(transposeB),
                    c.rowCount(),
                    c.columnCount(),
                    depth,
                    factor,
                    pointer(a),
                    a.stride(),
                    pointer(b),
                    b.stride(),
                    1,
                    pointer(c),
                    c.stride());
        }
    }

    /** dsyrk: the lower triangle of c += factor a a', or a' a if transposed. */
    static void multiplyByItself(double factor, DenseMatrix a, boolean transpose, DenseMatrix c) {
        int depth = transpose ? a.rowCount() : a.columnCount();
        requireShape(a, transpose, c.rowCount(), depth);
        requireShape(c, false, c.rowCount(), c.rowCount());
        openblas.cblas_dsyrk(
                openblas.CblasColMajor,
                openblas.CblasLower,
                transpose(transpose),
                c.rowCount(),
                depth,
                factor,
                pointer(a),
                a.stride(),
                1,
                pointer(c),
                c.stride());
    }

    /** dsymm: c += a b, a being symmetric with only its lower triangle looked at. */
    static void multiplySymmetric(DenseMatrix a, DenseMatrix b, DenseMatrix c) {
        requireShape(a, false, c.rowCount(), c.rowCount());
        requireShape(b, false, c.rowCount(), c.columnCount());
        openblas.cblas_dsymm(
                openblas.CblasColMajor,
                openblas.CblasLeft,
                openblas.CblasLower,
                c.rowCount(),
                c.columnCount(),
                1,
                pointer(a),
                a.stride(),
                pointer(b),
                b.stride(),
                1,
                pointer(c),
                c.stride());
    }

    /** dtrsm: x becomes L^-1 x, or L'^-1 x if transposed, L being a lower triangle. */
    static void solveLeft(DenseMatrix triangle, boolean transpose, DenseMatrix x) {
        requireShape(triangle, false, x.rowCount(), x.rowCount());
        solve(openblas.CblasLeft, triangle, transpose, x);
    }

    /** dtrsm: x becomes x L'^-1, L being a lower triangle. */
    static void solveRightTransposed(DenseMatrix triangle, DenseMatrix x) {
        requireShape(triangle, false, x.columnCount(), x.columnCount());
        solve(openblas.CblasRight, triangle, true, x);
    }

    /** dpotrf: the lower triangle of a becomes that of its Cholesky factor. Returns whether a is positive definite; if not, it is undefined. */
    static boolean factor(DenseMatrix a) {
        requireShape(a, false, a.rowCount(), a.rowCount());
        int info = openblas.LAPACKE_dpotrf(openblas.LAPACK_COL_MAJOR, LOWER, a.rowCount(), pointer(a), a.stride());
        return info == 0;
    }

    private static void solve(int side, DenseMatrix triangle, boolean transpose, DenseMatrix x) {
        openblas.cblas_dtrsm(
                openblas.CblasColMajor,
                side,
                openblas.CblasLower,
                transpose(transpose),
                openblas.CblasNonUnit,
                x.rowCount(),
                x.columnCount(),
                1,
                pointer(triangle),
                triangle.stride(),
                pointer(x),
                x.stride());
    }

    private static int transpose(boolean transpose) {
        return transpose ? openblas.CblasTrans : openblas.CblasNoTrans;
    }

    /** OpenBLAS believes what it is told, and writes where it should not. */
    private static void requireShape(DenseMatrix matrix, boolean transposed, int rows, int columns) {
        int actualRows = transposed ? matrix.columnCount() : matrix.rowCount();
        int actualColumns = transposed ? matrix.rowCount() : matrix.columnCount();
        if (actualRows != rows || actualColumns != columns) {
            throw new IllegalArgumentException(
                    "matrix is %d x %d: expected %d x %d".formatted(actualRows, actualColumns, rows, columns));
        }
    }

    private static DoublePointer pointer(DenseMatrix matrix) {
        return new Doubles(matrix.values());
    }

    /** Memory of ours, as JavaCPP wants it. */
    private static final class Doubles extends DoublePointer {

        Doubles(MemorySegment memory) {
            super((Pointer) null);
            address = memory.address();
        }
    }
}
