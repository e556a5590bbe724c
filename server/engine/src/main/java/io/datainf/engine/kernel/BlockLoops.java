package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The loops of {@link BlockVector}, over the first {@code count} float64 values of aligned memory. Sums are formed in an order that follows from {@code count} only. */
interface BlockLoops {

    /** Widens values of float32 little-endian, at any byte {@code offset}, to {@code target}. */
    void widen(MemorySegment source, long offset, MemorySegment target, int count);

    /** Sets x to {@code a * x + b * y}. */
    void combine(double a, MemorySegment x, double b, MemorySegment y, int count);

    /** Inner product. */
    double dot(MemorySegment x, MemorySegment y, int count);

    /** Greatest absolute value; 0 if there is none, NaN if one is. */
    double greatest(MemorySegment x, int count);

    /**
     * Sums the squares of every {@code sums.length}-th value.
     *
     * @param first position of the first value
     * @param count a multiple of {@code sums.length}
     * @param sums receives the sums; its length is a multiple of 16
     */
    void squares(MemorySegment x, long first, int count, double[] sums);
}
