package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** SIMD loops of bfloat16 rows with a single column: {@link ColumnLoops} for pairs of elements. Offsets are bytes. */
final class Bf16ColumnLoops {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> PAIRS = IntVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final long STEP = Lanes.REGISTER_BYTES;
    private static final int UNIT = Lanes.UNIT * Short.BYTES;

    private Bf16ColumnLoops() {}

    /**
     * Adds the products of two rows with the column to {@code lanes}, [2 rows, lanes]: those of even elements from {@code at} on, of odd ones
     * from {@code oddAt} on.
     */
    static void dots2(
            MemorySegment g, long g0, long g1, int units, MemorySegment v, long v0, float[] lanes, int at, int oddAt) {
        FloatVector even0 = FloatVector.fromArray(SPECIES, lanes, at);
        FloatVector even1 = FloatVector.fromArray(SPECIES, lanes, at + Lanes.COUNT);
        FloatVector odd0 = FloatVector.fromArray(SPECIES, lanes, oddAt);
        FloatVector odd1 = FloatVector.fromArray(SPECIES, lanes, oddAt + Lanes.COUNT);
        long end = (long) units * UNIT;
        for (long x = 0; x < end; x += STEP) {
            FloatVector even = FloatVector.fromMemorySegment(SPECIES, v, v0 + 2 * x, LE);
            FloatVector odd = FloatVector.fromMemorySegment(SPECIES, v, v0 + 2 * x + STEP, LE);
            IntVector row0 = IntVector.fromMemorySegment(PAIRS, g, g0 + x, LE);
            IntVector row1 = IntVector.fromMemorySegment(PAIRS, g, g1 + x, LE);
            even0 = Bf16.even(row0).fma(even, even0);
            odd0 = Bf16.odd(row0).fma(odd, odd0);
            even1 = Bf16.even(row1).fma(even, even1);
            odd1 = Bf16.odd(row1).fma(odd, odd1);
        }
        even0.intoArray(lanes, at);
        even1.intoArray(lanes, at + Lanes.COUNT);
        odd0.intoArray(lanes, oddAt);
        odd1.intoArray(lanes, oddAt + Lanes.COUNT);
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
            FloatVector even = FloatVector.fromMemorySegment(SPECIES, r, r0 + 2 * x, LE);
            FloatVector odd = FloatVector.fromMemorySegment(SPECIES, r, r0 + 2 * x + STEP, LE);
            IntVector row = IntVector.fromMemorySegment(PAIRS, g, g0 + x, LE);
            even = Bf16.even(row).fma(c0, even);
            odd = Bf16.odd(row).fma(c0, odd);
            row = IntVector.fromMemorySegment(PAIRS, g, g1 + x, LE);
            even = Bf16.even(row).fma(c1, even);
            odd = Bf16.odd(row).fma(c1, odd);
            row = IntVector.fromMemorySegment(PAIRS, g, g2 + x, LE);
            even = Bf16.even(row).fma(c2, even);
            odd = Bf16.odd(row).fma(c2, odd);
            row = IntVector.fromMemorySegment(PAIRS, g, g3 + x, LE);
            even = Bf16.even(row).fma(c3, even);
            odd = Bf16.odd(row).fma(c3, odd);
            even.intoMemorySegment(r, r0 + 2 * x, LE);
            odd.intoMemorySegment(r, r0 + 2 * x + STEP, LE);
        }
    }
}
