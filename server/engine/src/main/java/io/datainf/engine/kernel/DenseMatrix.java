package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * A matrix in float64, column-major, off-heap, or a part of one. Products need {@link DenseAlgebra#available()}, run on the calling thread and sum in an
 * order that depends on the shapes only. Threads may work on different parts.
 */
public final class DenseMatrix {

    private static final long ALIGNMENT_BYTES = 64; // a cache line, and the widest vector

    private final MemorySegment values; // from the first element to the last
    private final int rowCount;
    private final int columnCount;
    private final int stride; // elements from one column to the next

    /** Allocates a matrix of 0 that lives as long as {@code arena}. */
    public DenseMatrix(int rowCount, int columnCount, Arena arena) {
        this(
                arena.allocate(byteCount(rowCount, columnCount), ALIGNMENT_BYTES),
                rowCount,
                columnCount,
                Math.max(1, rowCount));
    }

    private DenseMatrix(MemorySegment values, int rowCount, int columnCount, int stride) {
        this.values = values;
        this.rowCount = rowCount;
        this.columnCount = columnCount;
        this.stride = stride;
    }

    /** Bytes that a matrix takes. */
    public static long byteCount(int rowCount, int columnCount) {
        return (long) rowCount * columnCount * Double.BYTES;
    }

    /** Rows. */
    public int rowCount() {
        return rowCount;
    }

    /** Columns. */
    public int columnCount() {
        return columnCount;
    }

    /** Returns a rectangle of this matrix, in the same memory. */
    public DenseMatrix part(int row, int column, int rows, int columns) {
        Objects.checkFromIndexSize(row, rows, rowCount);
        Objects.checkFromIndexSize(column, columns, columnCount);
        boolean empty = rows == 0 || columns == 0;
        long elements = empty ? 0 : (long) (columns - 1) * stride + rows;
        long first = empty ? 0 : index(row, column);
        return new DenseMatrix(values.asSlice(first * Double.BYTES, elements * Double.BYTES), rows, columns, stride);
    }

    /** Returns columns of this matrix, in the same memory. */
    public DenseMatrix columns(int column, int columns) {
        return part(0, column, rowCount, columns);
    }

    /** Element (row, column). */
    public double get(int row, int column) {
        return values.getAtIndex(ValueLayout.JAVA_DOUBLE, index(row, column));
    }

    /** Sets element (row, column). */
    public void set(int row, int column, double value) {
        values.setAtIndex(ValueLayout.JAVA_DOUBLE, index(row, column), value);
    }

    /** Becomes 0. */
    public void clear() {
        for (int column = 0; column < columnCount; column++) {
            column(column).fill((byte) 0);
        }
    }

    /** Takes the values of a matrix of the same shape. */
    public void copy(DenseMatrix source) {
        requireSameShape(source);
        for (int column = 0; column < columnCount; column++) {
            column(column).copyFrom(source.column(column));
        }
    }

    /** Takes the values of a vector as column {@code column}. */
    public void setColumn(int column, BlockVector source) {
        if (source.length() != rowCount) {
            throw new IllegalArgumentException(
                    "source has %d elements: expected %d".formatted(source.length(), rowCount));
        }
        for (int row = 0; row < rowCount; row++) {
            set(row, column, source.get(row));
        }
    }

    /** Gives a vector the values of column {@code column}. */
    public void getColumn(int column, BlockVector target) {
        target.clear(rowCount);
        for (int row = 0; row < rowCount; row++) {
            target.set(row, get(row, column));
        }
    }

    /** Takes stored gradients, widened, a column for each: {@link #rowCount()} elements of the rows {@code ordinals[firstSample]} and after. */
    public void widen(GradientMatrix gradients, int[] ordinals, int firstSample, int firstElement) {
        float[] elements = new float[rowCount];
        long offset = (long) firstElement * gradients.elementType().byteCount();
        for (int column = 0; column < columnCount; column++) {
            MemorySegment row = gradients.row(ordinals[firstSample + column]).asSlice(offset);
            ElementConversion.toFloats(row, gradients.elementType(), elements, 0, rowCount);
            MemorySegment target = column(column);
            for (int i = 0; i < elements.length; i++) {
                target.setAtIndex(ValueLayout.JAVA_DOUBLE, i, elements[i]);
            }
        }
    }

    /** Becomes {@code this + factor * a * b}. */
    public void addProduct(double factor, DenseMatrix a, DenseMatrix b) {
        OpenBlas.multiply(factor, a, false, b, false, this);
    }

    /** Becomes {@code this + factor * a' * b}. */
    public void addTransposedProduct(double factor, DenseMatrix a, DenseMatrix b) {
        OpenBlas.multiply(factor, a, true, b, false, this);
    }

    /** Becomes {@code factor * this + a * b + c * d}, column by column, for numbers a and c and matrices of the same shape. */
    public void combine(double factor, double a, DenseMatrix b, double c, DenseMatrix d) {
        requireSameShape(b);
        requireSameShape(d);
        for (int column = 0; column < columnCount; column++) {
            for (int row = 0; row < rowCount; row++) {
                set(row, column, factor * get(row, column) + a * b.get(row, column) + c * d.get(row, column));
            }
        }
    }

    /** Inner product of a column with the same column of a matrix of the same shape. */
    public double dot(int column, DenseMatrix other) {
        requireSameShape(other);
        double sum = 0;
        for (int row = 0; row < rowCount; row++) {
            sum += get(row, column) * other.get(row, column);
        }
        return sum;
    }

    /** Elements from one column to the next. */
    int stride() {
        return stride;
    }

    /** Memory from the first element to the last. */
    MemorySegment values() {
        return values;
    }

    private MemorySegment column(int column) {
        return values.asSlice(index(0, column) * Double.BYTES, (long) rowCount * Double.BYTES);
    }

    private long index(int row, int column) {
        return (long) column * stride + row;
    }

    private void requireSameShape(DenseMatrix other) {
        if (other.rowCount != rowCount || other.columnCount != columnCount) {
            throw new IllegalArgumentException("other is %d x %d: expected %d x %d"
                    .formatted(other.rowCount, other.columnCount, rowCount, columnCount));
        }
    }
}
