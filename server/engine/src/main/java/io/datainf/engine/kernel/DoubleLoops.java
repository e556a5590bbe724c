package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** SIMD loops in float64: widening of rows, and four widened rows with one column. Offsets are bytes. */
final class DoubleLoops {

    private static final VectorSpecies<Double> SPECIES = DoubleVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(INTS.vectorBitSize() / 2));
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;

    /** Doubles of a SIMD register. */
    static final int LANES = SPECIES.length();

    private DoubleLoops() {}

    /** Widens {@code count} elements, exactly. */
    static void widen(MemorySegment source, ElementType type, long offset, MemorySegment target, long to, int count) {
        switch (type) {
            case F32 -> widenF32(source, offset, target, to, count);
            case BF16 -> widenBf16(source, offset, target, to, count);
            case F16 -> throw new IllegalArgumentException("elementType is F16: expected F32 or BF16");
        }
    }

    private static void widenF32(MemorySegment source, long offset, MemorySegment target, long to, int count) {
        int i = 0;
        for (; i <= count - FLOATS.length(); i += FLOATS.length()) {
            FloatVector g = FloatVector.fromMemorySegment(FLOATS, source, offset + (long) i * Float.BYTES, LE);
            store(g, target, to + (long) i * Double.BYTES);
        }
        for (; i < count; i++) {
            target.set(F64, to + (long) i * Double.BYTES, source.get(F32, offset + (long) i * Float.BYTES));
        }
    }

    private static void widenBf16(MemorySegment source, long offset, MemorySegment target, long to, int count) {
        int i = 0;
        for (; i <= count - INTS.length(); i += INTS.length()) {
            IntVector bits =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, source, offset + (long) i * Short.BYTES, LE)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            FloatVector g = bits.lanewise(VectorOperators.LSHL, Short.SIZE).reinterpretAsFloats();
            store(g, target, to + (long) i * Double.BYTES);
        }
        for (; i < count; i++) {
            int bits = source.get(U16, offset + (long) i * Short.BYTES) << Short.SIZE;
            target.set(F64, to + (long) i * Double.BYTES, Float.intBitsToFloat(bits));
        }
    }

    private static void store(FloatVector g, MemorySegment target, long to) {
        ((DoubleVector) g.convertShape(VectorOperators.F2D, SPECIES, 0)).intoMemorySegment(target, to, LE);
        ((DoubleVector) g.convertShape(VectorOperators.F2D, SPECIES, 1))
                .intoMemorySegment(target, to + SPECIES.vectorByteSize(), LE);
    }

    /**
     * Adds the products of four rows with a column to {@code dots}, [4] from {@code at} on.
     *
     * @param g rows, {@code stride} apart
     * @param lanes scratch, [4, LANES]
     */
    static void dots4(
            MemorySegment g, long stride, int count, MemorySegment v, long v0, double[] lanes, double[] dots, int at) {
        DoubleVector sum0 = DoubleVector.zero(SPECIES);
        DoubleVector sum1 = sum0;
        DoubleVector sum2 = sum0;
        DoubleVector sum3 = sum0;
        int whole = count - count % LANES;
        for (int i = 0; i < whole; i += LANES) {
            long x = (long) i * Double.BYTES;
            DoubleVector column = DoubleVector.fromMemorySegment(SPECIES, v, v0 + x, LE);
            sum0 = DoubleVector.fromMemorySegment(SPECIES, g, x, LE).fma(column, sum0);
            sum1 = DoubleVector.fromMemorySegment(SPECIES, g, x + stride, LE).fma(column, sum1);
            sum2 = DoubleVector.fromMemorySegment(SPECIES, g, x + 2 * stride, LE)
                    .fma(column, sum2);
            sum3 = DoubleVector.fromMemorySegment(SPECIES, g, x + 3 * stride, LE)
                    .fma(column, sum3);
        }
        sum0.intoArray(lanes, 0);
        sum1.intoArray(lanes, LANES);
        sum2.intoArray(lanes, 2 * LANES);
        sum3.intoArray(lanes, 3 * LANES);
        for (int row = 0; row < 4; row++) {
            double sum = sum(lanes, row * LANES);
            for (int i = whole; i < count; i++) {
                long x = (long) i * Double.BYTES;
                sum += g.get(F64, row * stride + x) * v.get(F64, v0 + x);
            }
            dots[at + row] += sum;
        }
    }

    /** Adds up a register, lane by lane in a fixed order. */
    private static double sum(double[] lanes, int at) {
        double even = 0;
        double odd = 0;
        for (int i = at; i < at + LANES; i += 2) {
            even += lanes[i];
            odd += lanes[i + 1];
        }
        return even + odd;
    }

    /** Adds four rows, {@code stride} apart, multiplied by the coefficients from {@code at} on, to the column at {@code r0}. */
    static void addRows4(MemorySegment g, long stride, int count, double[] c, int at, MemorySegment r, long r0) {
        DoubleVector c0 = DoubleVector.broadcast(SPECIES, c[at]);
        DoubleVector c1 = DoubleVector.broadcast(SPECIES, c[at + 1]);
        DoubleVector c2 = DoubleVector.broadcast(SPECIES, c[at + 2]);
        DoubleVector c3 = DoubleVector.broadcast(SPECIES, c[at + 3]);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            long x = (long) i * Double.BYTES;
            DoubleVector sum = DoubleVector.fromMemorySegment(SPECIES, r, r0 + x, LE);
            sum = DoubleVector.fromMemorySegment(SPECIES, g, x, LE).fma(c0, sum);
            sum = DoubleVector.fromMemorySegment(SPECIES, g, x + stride, LE).fma(c1, sum);
            sum = DoubleVector.fromMemorySegment(SPECIES, g, x + 2 * stride, LE).fma(c2, sum);
            sum = DoubleVector.fromMemorySegment(SPECIES, g, x + 3 * stride, LE).fma(c3, sum);
            sum.intoMemorySegment(r, r0 + x, LE);
        }
        for (; i < count; i++) {
            long x = (long) i * Double.BYTES;
            double sum = r.get(F64, r0 + x);
            for (int row = 0; row < 4; row++) {
                sum += c[at + row] * g.get(F64, row * stride + x);
            }
            r.set(F64, r0 + x, sum);
        }
    }
}
