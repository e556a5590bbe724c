package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * SIMD loops over float32: four rows against one or two columns. Counts are multiples of {@link #LANES}; the caller does
 * what is left over. Offsets are bytes. Kept small: beyond about 12 vector memory operations in a loop the compiler stops inlining the
 * Vector API and runs many times slower.
 */
final class FloatLoops {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    /** Elements of a SIMD register. */
    static final int LANES = SPECIES.length();

    private FloatLoops() {}

    /** Inner products of four rows with one column, lane by lane; {@code lanes} receives [4, LANES]. */
    static void dots4x1(MemorySegment g, long[] rows, MemorySegment v, long column, int count, float[] lanes) {
        FloatVector sum0 = FloatVector.zero(SPECIES);
        FloatVector sum1 = sum0;
        FloatVector sum2 = sum0;
        FloatVector sum3 = sum0;
        long g0 = rows[0];
        long g1 = rows[1];
        long g2 = rows[2];
        long g3 = rows[3];
        for (int i = 0; i < count; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector x = FloatVector.fromMemorySegment(SPECIES, v, column + at, LE);
            sum0 = FloatVector.fromMemorySegment(SPECIES, g, g0 + at, LE).fma(x, sum0);
            sum1 = FloatVector.fromMemorySegment(SPECIES, g, g1 + at, LE).fma(x, sum1);
            sum2 = FloatVector.fromMemorySegment(SPECIES, g, g2 + at, LE).fma(x, sum2);
            sum3 = FloatVector.fromMemorySegment(SPECIES, g, g3 + at, LE).fma(x, sum3);
        }
        sum0.intoArray(lanes, 0);
        sum1.intoArray(lanes, LANES);
        sum2.intoArray(lanes, 2 * LANES);
        sum3.intoArray(lanes, 3 * LANES);
    }

    /** Inner products of four rows with two columns, lane by lane; {@code lanes} receives [2, 4, LANES]. */
    static void dots4x2(
            MemorySegment g, long[] rows, MemorySegment v, long column0, long column1, int count, float[] lanes) {
        FloatVector sum0 = FloatVector.zero(SPECIES);
        FloatVector sum1 = sum0;
        FloatVector sum2 = sum0;
        FloatVector sum3 = sum0;
        FloatVector sum4 = sum0;
        FloatVector sum5 = sum0;
        FloatVector sum6 = sum0;
        FloatVector sum7 = sum0;
        long g0 = rows[0];
        long g1 = rows[1];
        long g2 = rows[2];
        long g3 = rows[3];
        for (int i = 0; i < count; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector x = FloatVector.fromMemorySegment(SPECIES, v, column0 + at, LE);
            FloatVector y = FloatVector.fromMemorySegment(SPECIES, v, column1 + at, LE);
            FloatVector row = FloatVector.fromMemorySegment(SPECIES, g, g0 + at, LE);
            sum0 = row.fma(x, sum0);
            sum4 = row.fma(y, sum4);
            row = FloatVector.fromMemorySegment(SPECIES, g, g1 + at, LE);
            sum1 = row.fma(x, sum1);
            sum5 = row.fma(y, sum5);
            row = FloatVector.fromMemorySegment(SPECIES, g, g2 + at, LE);
            sum2 = row.fma(x, sum2);
            sum6 = row.fma(y, sum6);
            row = FloatVector.fromMemorySegment(SPECIES, g, g3 + at, LE);
            sum3 = row.fma(x, sum3);
            sum7 = row.fma(y, sum7);
        }
        sum0.intoArray(lanes, 0);
        sum1.intoArray(lanes, LANES);
        sum2.intoArray(lanes, 2 * LANES);
        sum3.intoArray(lanes, 3 * LANES);
        sum4.intoArray(lanes, 4 * LANES);
        sum5.intoArray(lanes, 5 * LANES);
        sum6.intoArray(lanes, 6 * LANES);
        sum7.intoArray(lanes, 7 * LANES);
    }

    /** Adds four rows, multiplied by the coefficients at {@code first} and after, to {@code sums}. */
    static void addRows4(
            MemorySegment g, long[] rows, float[] coefficients, int first, MemorySegment sums, long target, int count) {
        FloatVector c0 = FloatVector.broadcast(SPECIES, coefficients[first]);
        FloatVector c1 = FloatVector.broadcast(SPECIES, coefficients[first + 1]);
        FloatVector c2 = FloatVector.broadcast(SPECIES, coefficients[first + 2]);
        FloatVector c3 = FloatVector.broadcast(SPECIES, coefficients[first + 3]);
        long g0 = rows[0];
        long g1 = rows[1];
        long g2 = rows[2];
        long g3 = rows[3];
        for (int i = 0; i < count; i += LANES) {
            long at = (long) i * Float.BYTES;
            FloatVector sum = FloatVector.fromMemorySegment(SPECIES, sums, target + at, LE);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g0 + at, LE).fma(c0, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g1 + at, LE).fma(c1, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g2 + at, LE).fma(c2, sum);
            sum = FloatVector.fromMemorySegment(SPECIES, g, g3 + at, LE).fma(c3, sum);
            sum.intoMemorySegment(sums, target + at, LE);
        }
    }
}
