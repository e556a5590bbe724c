package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/** SIMD loops of the Vector API. Lanes are added up one after the other, because the order of reduceLanes is not defined. */
final class VectorBlockLoops implements BlockLoops {

    static final BlockLoops INSTANCE = new VectorBlockLoops();

    private static final VectorSpecies<Double> SPECIES = DoubleVector.SPECIES_PREFERRED;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;
    private static final int LANES = SPECIES.length();

    private VectorBlockLoops() {}

    @Override
    public void widen(MemorySegment source, long offset, MemorySegment target, int count) {
        DoubleLoops.widen(source, ElementType.F32, offset, target, 0, count);
    }

    @Override
    public void combine(double a, MemorySegment x, double b, MemorySegment y, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            load(x, i).mul(a).add(load(y, i).mul(b)).intoMemorySegment(x, (long) i * Double.BYTES, ORDER);
        }
        for (; i < count; i++) {
            x.setAtIndex(F64, i, a * x.getAtIndex(F64, i) + b * y.getAtIndex(F64, i));
        }
    }

    @Override
    public double dot(MemorySegment x, MemorySegment y, int count) {
        DoubleVector sum0 = DoubleVector.zero(SPECIES);
        DoubleVector sum1 = sum0;
        DoubleVector sum2 = sum0;
        DoubleVector sum3 = sum0;
        int i = 0;
        for (; i <= count - 4 * LANES; i += 4 * LANES) {
            sum0 = load(x, i).fma(load(y, i), sum0);
            sum1 = load(x, i + LANES).fma(load(y, i + LANES), sum1);
            sum2 = load(x, i + 2 * LANES).fma(load(y, i + 2 * LANES), sum2);
            sum3 = load(x, i + 3 * LANES).fma(load(y, i + 3 * LANES), sum3);
        }
        double sum = 0;
        for (double lane : sum0.add(sum1).add(sum2.add(sum3)).toArray()) {
            sum += lane;
        }
        for (; i < count; i++) {
            sum += x.getAtIndex(F64, i) * y.getAtIndex(F64, i);
        }
        return sum;
    }

    @Override
    public double greatest(MemorySegment x, int count) {
        DoubleVector greatest = DoubleVector.zero(SPECIES);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            greatest = greatest.max(load(x, i).abs());
        }
        double result = 0;
        for (double lane : greatest.toArray()) {
            result = Math.max(result, lane);
        }
        for (; i < count; i++) {
            result = Math.max(result, Math.abs(x.getAtIndex(F64, i)));
        }
        return result;
    }

    @Override
    public void squares(MemorySegment x, long first, int count, double[] sums) {
        for (int lane = 0; lane < sums.length; lane += LANES) {
            DoubleVector sum = DoubleVector.zero(SPECIES);
            for (int i = lane; i < count; i += sums.length) {
                DoubleVector value = load(x, first + i);
                sum = value.fma(value, sum);
            }
            sum.intoArray(sums, lane);
        }
    }

    private static DoubleVector load(MemorySegment source, long index) {
        return DoubleVector.fromMemorySegment(SPECIES, source, index * Double.BYTES, ORDER);
    }
}
