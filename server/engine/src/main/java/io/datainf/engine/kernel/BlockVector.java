package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;

/**
 * A vector over the elements of one block, float64, off-heap: how values get into {@link ColumnVectors} and out of
 * {@link ColumnSums}. Has room for the widest block of interest; {@link #length()} says how much of it is in use. Not safe for
 * concurrent use.
 */
public final class BlockVector {

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment values;
    private final int capacity;
    private int length;

    /** Allocates room for {@code capacity} elements that lives as long as {@code arena}. */
    public BlockVector(int capacity, Arena arena) {
        this.values = arena.allocate(ValueLayout.JAVA_DOUBLE, capacity);
        this.capacity = capacity;
    }

    /** Elements in use. */
    public int length() {
        return length;
    }

    /** Takes the value 0 over {@code newLength} elements. */
    public void clear(int newLength) {
        resize(newLength);
        values.asSlice(0, (long) newLength * Double.BYTES).fill((byte) 0);
    }

    /**
     * Takes {@code newLength} values from memory.
     *
     * @param source float32 little-endian, any alignment
     * @param firstElement position of the first value in {@code source}, in elements
     */
    public void load(MemorySegment source, long firstElement, int newLength) {
        resize(newLength);
        for (int i = 0; i < newLength; i++) {
            set(i, source.get(F32, (firstElement + i) * Float.BYTES));
        }
    }

    /** Takes the values of another vector. */
    public void copy(BlockVector other) {
        resize(other.length);
        MemorySegment.copy(other.values, 0, values, 0, (long) length * Double.BYTES);
    }

    /** Becomes {@code a * this + b * other}; both have the same length. */
    public void combine(double a, double b, BlockVector other) {
        requireSameLength(other);
        for (int i = 0; i < length; i++) {
            set(i, a * get(i) + b * other.get(i));
        }
    }

    /** Inner product with a vector of the same length. */
    public double dot(BlockVector other) {
        requireSameLength(other);
        double even = 0;
        double odd = 0;
        int i = 0;
        for (; i < length - 1; i += 2) {
            even += get(i) * other.get(i);
            odd += get(i + 1) * other.get(i + 1);
        }
        if (i < length) {
            even += get(i) * other.get(i);
        }
        return even + odd;
    }

    /** Greatest absolute element; 0 if there is none. */
    public double greatest() {
        double greatest = 0;
        for (int i = 0; i < length; i++) {
            greatest = Math.max(greatest, Math.abs(get(i)));
        }
        return greatest;
    }

    /**
     * Greatest norm over the elements that one lane of a SIMD loop takes in one go: of {@code span} consecutive elements, every {@code lanes}-th.
     */
    public double greatestLaneNorm(int lanes, int span) {
        double[] squares = new double[lanes];
        double greatest = 0;
        for (int first = 0; first < length; first += span) {
            Arrays.fill(squares, 0);
            int end = Math.min(first + span, length);
            for (int at = first; at < end; at += lanes) {
                int count = Math.min(lanes, end - at);
                for (int lane = 0; lane < count; lane++) {
                    squares[lane] += get(at + lane) * get(at + lane);
                }
            }
            for (double square : squares) {
                greatest = Math.max(greatest, square);
            }
        }
        return Math.sqrt(greatest);
    }

    /** Greatest norm over {@code span} consecutive elements that begin at a multiple of it. */
    public double greatestSpanNorm(int span) {
        double greatest = 0;
        for (int first = 0; first < length; first += span) {
            int end = Math.min(first + span, length);
            double sum = 0;
            for (int at = first; at < end; at++) {
                sum += get(at) * get(at);
            }
            greatest = Math.max(greatest, sum);
        }
        return Math.sqrt(greatest);
    }

    /** Euclidean norm. Does not overflow or vanish for values in the range of float32. */
    public double norm() {
        return Math.sqrt(dot(this));
    }

    double get(int index) {
        return values.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
    }

    void set(int index, double value) {
        values.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
    }

    private void requireSameLength(BlockVector other) {
        if (other.length != length) {
            throw new IllegalArgumentException("other has %d elements: expected %d".formatted(other.length, length));
        }
    }

    private void resize(int newLength) {
        Objects.checkFromIndexSize(0, newLength, capacity);
        length = newLength;
    }
}
