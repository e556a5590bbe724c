package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

/**
 * A vector over the elements of one block, float64, off-heap: how values get into {@link ColumnVectors} and out of
 * {@link ColumnSums}. Has room for the widest block of interest; {@link #length()} says how much of it is in use. Not safe for
 * concurrent use.
 */
public final class BlockVector {

    private static final BlockLoops LOOPS = EngineChoice.blockLoops();

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
        LOOPS.widen(source, firstElement * Float.BYTES, values, newLength);
    }

    /** Takes the values of another vector. */
    public void copy(BlockVector other) {
        resize(other.length);
        MemorySegment.copy(other.values, 0, values, 0, (long) length * Double.BYTES);
    }

    /** Becomes {@code a * this + b * other}; both have the same length. */
    public void combine(double a, double b, BlockVector other) {
        requireSameLength(other);
        LOOPS.combine(a, values, b, other.values, length);
    }

    /** Inner product with a vector of the same length. */
    public double dot(BlockVector other) {
        requireSameLength(other);
        return LOOPS.dot(values, other.values, length);
    }

    /** Greatest absolute element; 0 if there is none. */
    public double greatest() {
        return LOOPS.greatest(values, length);
    }

    /**
     * Greatest norm over the elements that a loop may add up in one chain: {@code chain} consecutive ones from a multiple of it on, or every {@code lanes}-th of
     * {@code lanes * chain} consecutive ones.
     *
     * @param lanes divides {@code chain}; a multiple of 16
     */
    public double greatestChainNorm(int lanes, int chain) {
        double[] runSquares = new double[lanes];
        double[] laneSquares = new double[lanes];
        double greatest = 0;
        for (int first = 0; first < length; first += chain) {
            addSquares(first, Math.min(chain, length - first), runSquares);
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

    /** Sums of the squares of every {@code sums.length}-th of {@code count} values. */
    private void addSquares(int first, int count, double[] sums) {
        int whole = count - count % sums.length;
        LOOPS.squares(values, first, whole, sums);
        for (int i = whole; i < count; i++) {
            sums[i - whole] += get(first + i) * get(first + i);
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
