package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * SIMD loops that sum squares in float64, in which the square of a float32 is exact. A register of floats is two of doubles. Memory may
 * be unaligned. Offsets are bytes.
 */
final class NormLoops {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);
    private static final int UPPER_HALF = 0xffff_0000;

    /** Length of the scratch that the loops need. */
    static final int LANES_LENGTH = 2 * DOUBLES.length();

    private NormLoops() {}

    /** Squared norm of {@code count} float32. */
    static double squaredNormF32(MemorySegment row, long offset, int count, double[] lanes) {
        DoubleVector sum0 = DoubleVector.zero(DOUBLES);
        DoubleVector sum1 = sum0;
        int i = 0;
        for (; i <= count - FLOATS.length(); i += FLOATS.length()) {
            FloatVector g = FloatVector.fromMemorySegment(FLOATS, row, offset + (long) i * Float.BYTES, LE);
            DoubleVector low = (DoubleVector) g.convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector high = (DoubleVector) g.convertShape(VectorOperators.F2D, DOUBLES, 1);
            sum0 = low.fma(low, sum0);
            sum1 = high.fma(high, sum1);
        }
        double sum = sum(sum0, sum1, lanes);
        for (; i < count; i++) {
            double g = row.get(F32, offset + (long) i * Float.BYTES);
            sum += g * g;
        }
        return sum;
    }

    /** Squared norm of {@code count} bfloat16. Loads two as one int: the lower is the element of even position. */
    static double squaredNormBf16(MemorySegment row, long offset, int count, double[] lanes) {
        DoubleVector sum0 = DoubleVector.zero(DOUBLES);
        DoubleVector sum1 = sum0;
        int i = 0;
        for (; i <= count - 2 * INTS.length(); i += 2 * INTS.length()) {
            IntVector pairs = IntVector.fromMemorySegment(INTS, row, offset + (long) i * Short.BYTES, LE);
            FloatVector even = pairs.lanewise(VectorOperators.LSHL, Short.SIZE).reinterpretAsFloats();
            FloatVector odd = pairs.lanewise(VectorOperators.AND, UPPER_HALF).reinterpretAsFloats();
            DoubleVector evenLow = (DoubleVector) even.convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector evenHigh = (DoubleVector) even.convertShape(VectorOperators.F2D, DOUBLES, 1);
            DoubleVector oddLow = (DoubleVector) odd.convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector oddHigh = (DoubleVector) odd.convertShape(VectorOperators.F2D, DOUBLES, 1);
            sum0 = oddLow.fma(oddLow, evenLow.fma(evenLow, sum0));
            sum1 = oddHigh.fma(oddHigh, evenHigh.fma(evenHigh, sum1));
        }
        double sum = sum(sum0, sum1, lanes);
        for (; i < count; i++) {
            double g = Float.intBitsToFloat(row.get(U16, offset + (long) i * Short.BYTES) << Short.SIZE);
            sum += g * g;
        }
        return sum;
    }

    private static double sum(DoubleVector sum0, DoubleVector sum1, double[] lanes) {
        sum0.intoArray(lanes, 0);
        sum1.intoArray(lanes, DOUBLES.length());
        double sum = 0;
        for (double lane : lanes) {
            sum += lane;
        }
        return sum;
    }
}
