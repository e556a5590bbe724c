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
        double sum0 = 0;
        double sum1 = 0;
        double sum2 = 0;
        double sum3 = 0;
        int i = 0;
        for (; i < length - 3; i += 4) {
            sum0 += get(i) * other.get(i);
            sum1 += get(i + 1) * other.get(i + 1);
            sum2 += get(i + 2) * other.get(i + 2);
            sum3 += get(i + 3) * other.get(i + 3);
        }
        for (; i < length; i++) {
            sum0 += get(i) * other.get(i);
        }
        return (sum0 + sum1) + (sum2 + sum3);
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
     * Greatest norm over the elements that a loop may add up in one chain: {@code chain} consecutive ones from a multiple of it on, or every {@code lanes}-th of
     * {@code lanes * chain} consecutive ones.
     *
     * @param lanes divides {@code chain}
     */
    public double greatestChainNorm(int lanes, int chain) {
        double[] run = new double[chain];
        double[] runSquares = new double[lanes];
        double[] laneSquares = new double[lanes];
        double greatest = 0;
        for (int first = 0; first < length; first += chain) {
            int count = Math.min(chain, length - first);
            MemorySegment.copy(values, ValueLayout.JAVA_DOUBLE, (long) first * Double.BYTES, run, 0, count);
            Arrays.fill(run, count, chain, 0);
            addSquares(run, runSquares);
            if (first % (lanes * chain) == 0) {
                Arrays.fill(laneSquares, 0);
            }
            double runSquare = 0;
            for (int lane = 0; lane < lanes; lane++) {
                runSquare += runSquares[lane];
                laneSquares[lane] += runSquares[lane];
                greatest = Math.max(greatest, laneSquares[lane]);
            }
            greatest = Math.max(greatest, runSquare);
        }
        return Math.sqrt(greatest);
    }

    /** Sums of the squares of every {@code sums.length}-th value. */
    private static void addSquares(double[] run, double[] sums) {
        Arrays.fill(sums, 0);
        for (int at = 0; at < run.length; at += sums.length) {
            for (int lane = 0; lane < sums.length; lane++) {
                sums[lane] += run[at + lane] * run[at + lane];
            }
        }
    }

    /** Euclidean norm. Does not overflow or vanish for values in the range of float32. */
    public double norm() {
        return Math.sqrt(dot(this));
    }

    /** The values, float64 in the order of the machine, {@link #length()} in use. */
    MemorySegment values() {
        return values;
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
