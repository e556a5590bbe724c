package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Plain Java, for runtimes without the Vector API. */
final class ScalarBlockLoops implements BlockLoops {

    static final BlockLoops INSTANCE = new ScalarBlockLoops();

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;

    private ScalarBlockLoops() {}

    @Override
    public void widen(MemorySegment source, long offset, MemorySegment target, int count) {
        for (int i = 0; i < count; i++) {
            target.setAtIndex(F64, i, source.get(F32, offset + (long) i * Float.BYTES));
        }
    }

    @Override
    public void combine(double a, MemorySegment x, double b, MemorySegment y, int count) {
        for (int i = 0; i < count; i++) {
            x.setAtIndex(F64, i, a * x.getAtIndex(F64, i) + b * y.getAtIndex(F64, i));
        }
    }

    @Override
    public double dot(MemorySegment x, MemorySegment y, int count) {
        double[] sums = new double[4];
        for (int i = 0; i < count; i++) {
            sums[i % sums.length] += x.getAtIndex(F64, i) * y.getAtIndex(F64, i);
        }
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    @Override
    public double greatest(MemorySegment x, int count) {
        double greatest = 0;
        for (int i = 0; i < count; i++) {
            greatest = Math.max(greatest, Math.abs(x.getAtIndex(F64, i)));
        }
        return greatest;
    }

    @Override
    public void squares(MemorySegment x, long first, int count, double[] sums) {
        Arrays.fill(sums, 0);
        for (int i = 0; i < count; i++) {
            double value = x.getAtIndex(F64, first + i);
            sums[i % sums.length] += value * value;
        }
    }
}
