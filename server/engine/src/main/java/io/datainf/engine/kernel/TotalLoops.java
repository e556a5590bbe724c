package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The SIMD loop that moves sums in float32 to totals in float64. */
final class TotalLoops {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    private TotalLoops() {}

    /** Adds {@code count} sums, whole registers of them, to the totals and sets them to 0. */
    static void move(MemorySegment sums, MemorySegment totals, long count) {
        FloatVector zero = FloatVector.zero(FLOATS);
        for (long i = 0; i < count; i += FLOATS.length()) {
            FloatVector sum = FloatVector.fromMemorySegment(FLOATS, sums, i * Float.BYTES, LE);
            long low = i * Double.BYTES;
            long high = low + DOUBLES.vectorByteSize();
            DoubleVector.fromMemorySegment(DOUBLES, totals, low, LE)
                    .add(sum.convertShape(VectorOperators.F2D, DOUBLES, 0))
                    .intoMemorySegment(totals, low, LE);
            DoubleVector.fromMemorySegment(DOUBLES, totals, high, LE)
                    .add(sum.convertShape(VectorOperators.F2D, DOUBLES, 1))
                    .intoMemorySegment(totals, high, LE);
            zero.intoMemorySegment(sums, i * Float.BYTES, LE);
        }
    }
}
