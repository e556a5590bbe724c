package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * SIMD loops of float32 rows with a single column. They run at the speed of memory: products take two rows at a time, because more
 * streams are more than the prefetchers follow; sums take four, which by then lie in the cache. Offsets are bytes.
 */
final class ColumnLoops {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final long STEP = Lanes.REGISTER_BYTES;
    private static final int UNIT = Lanes.UNIT * Float.BYTES;

    private ColumnLoops() {}

    /** Adds the products of two rows with the column to {@code lanes}, [2 rows, lanes] from {@code at} on. */
    static void dots2(MemorySegment g, long g0, long g1, int units, MemorySegment v, long v0, float[] lanes, int at) {
        FloatVector sum0 = FloatVector.fromArray(SPECIES, lanes, at);
        FloatVector sum1 = FloatVector.fromArray(SPECIES, lanes, at + Lanes.COUNT);
        long end = (long) units * UNIT;
        for (long x = 0; x < end; x += 2 * STEP) {
            FloatVector c0 = FloatVector.fromMemorySegment(SPECIES, v, v0 + x, LE);
            FloatVector c1 = FloatVector.fromMemorySegment(SPECIES, v, v0 + x + STEP, LE);
            sum0 = FloatVector.fromMemorySegment(SPECIES, g, g0 + x, LE).fma(c0, sum0);
            sum1 = FloatVector.fromMemorySegment(SPECIES, g, g1 + x, LE).fma(c0, sum1);
            sum0 = FloatVector.fromMemorySegment(SPECIES, g, g0 + x + STEP, LE).fma(c1, sum0);
            sum1 = FloatVector.fromMemorySegment(SPECIES, g, g1 + x + STEP, LE).fma(c1, sum1);
        }
        sum0.intoArray(lanes, at);
        sum1.intoArray(lanes, at + Lanes.COUNT);
    }

    /** Adds four rows, multiplied by the coefficients from {@code at} on, to the column at {@code r0}. */
    static void addRows4(
            MemorySegment g,
            long g0,
            long g1,
            long g2,
            long g3,
            int units,
            float[] c,
            int at,
            MemorySegment r,
            long r0) {
        FloatVector c0 = FloatVector.broadcast(SPECIES, c[at]);
        FloatVector c1 = FloatVector.broadcast(SPECIES, c[at + 1]);
        FloatVector c2 = FloatVector.broadcast(SPECIES, c[at + 2]);
        FloatVector c3 = FloatVector.broadcast(SPECIES, c[at + 3]);
        long end = (long) units * UNIT;
        for (long x = 0; x < end; x += STEP) {
            FloatVector sum = FloatVector.fromMemorySegment(SPECIES, r, r0 + x, LE);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g0 + x, LE).fma(c0, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g1 + x, LE).fma(c1, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g2 + x, LE).fma(c2, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g3 + x, LE).fma(c3, sum);
            sum.intoMemorySegment(r, r0 + x, LE);
        }
    }
}
