package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * The SIMD loops that move one unit of a block, {@link Lanes#UNIT} elements in float64, into the registers of a column and out of them. Registers of pairs hold
 * the elements of even position, the next ones those of odd. Positions are in elements; {@code step} lies between registers.
 */
final class UnitLoops {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final VectorShuffle<Float> EVEN = VectorShuffle.makeUnzip(FLOATS, 0);
    private static final VectorShuffle<Float> ODD = VectorShuffle.makeUnzip(FLOATS, 1);
    private static final VectorShuffle<Double> LOW = VectorShuffle.makeZip(DOUBLES, 0);
    private static final VectorShuffle<Double> HIGH = VectorShuffle.makeZip(DOUBLES, 1);
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    private static final long HALF = DOUBLES.length();

    private UnitLoops() {}

    /** Stores {@code factor * source} as float32. */
    static void narrow(MemorySegment source, long from, double factor, MemorySegment target, long to, long step) {
        for (int register = 0; register < Lanes.UNIT_REGISTERS; register++) {
            floats(source, from + (long) register * Lanes.COUNT, factor)
                    .intoMemorySegment(target, (to + register * step) * Float.BYTES, ORDER);
        }
    }

    /** {@link #narrow} for registers of pairs. */
    static void narrowPairs(MemorySegment source, long from, double factor, MemorySegment target, long to, long step) {
        for (int register = 0; register < Lanes.UNIT_REGISTERS; register += 2) {
            FloatVector first = floats(source, from + (long) register * Lanes.COUNT, factor);
            FloatVector second = floats(source, from + (long) (register + 1) * Lanes.COUNT, factor);
            first.rearrange(EVEN, second).intoMemorySegment(target, (to + register * step) * Float.BYTES, ORDER);
            first.rearrange(ODD, second).intoMemorySegment(target, (to + (register + 1) * step) * Float.BYTES, ORDER);
        }
    }

    private static FloatVector floats(MemorySegment source, long from, double factor) {
        DoubleVector low = doubles(source, from).mul(factor);
        DoubleVector high = doubles(source, from + HALF).mul(factor);
        return ((FloatVector) low.convertShape(VectorOperators.D2F, FLOATS, 0))
                .add(high.convertShape(VectorOperators.D2F, FLOATS, -1));
    }

    /** Adds sums in float64 to {@code target}. */
    static void add(MemorySegment sums, long from, long step, MemorySegment target, long to) {
        for (int register = 0; register < Lanes.UNIT_REGISTERS; register++) {
            long at = from + register * step;
            long element = to + (long) register * Lanes.COUNT;
            add(doubles(sums, at), target, element);
            add(doubles(sums, at + HALF), target, element + HALF);
        }
    }

    /** {@link #add} for registers of pairs. */
    static void addPairs(MemorySegment sums, long from, long step, MemorySegment target, long to) {
        for (int register = 0; register < Lanes.UNIT_REGISTERS; register += 2) {
            for (int half = 0; half < 2; half++) {
                DoubleVector even = doubles(sums, from + register * step + half * HALF);
                DoubleVector odd = doubles(sums, from + (register + 1) * step + half * HALF);
                long element = to + (long) (register + half) * Lanes.COUNT;
                add(even.rearrange(LOW, odd), target, element);
                add(even.rearrange(HIGH, odd), target, element + HALF);
            }
        }
    }

    private static void add(DoubleVector sum, MemorySegment target, long to) {
        doubles(target, to).add(sum).intoMemorySegment(target, to * Double.BYTES, ORDER);
    }

    private static DoubleVector doubles(MemorySegment source, long from) {
        return DoubleVector.fromMemorySegment(DOUBLES, source, from * Double.BYTES, ORDER);
    }
}
