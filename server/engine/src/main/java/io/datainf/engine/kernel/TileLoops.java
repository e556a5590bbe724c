package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorSpecies;

/** The SIMD loop of {@link SymmetricTiles}: products of panels of float64. A class of its own, for runtimes without the Vector API. */
final class TileLoops {

    private static final VectorSpecies<Double> SPECIES = DoubleVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final long LANE_BYTES = (long) LANES * Double.BYTES;
    private static final int TILE = SymmetricTiles.TILE;
    private static final int COLUMN_BYTES = TILE * Double.BYTES;
    private static final int STEP = 4; // columns at a time

    private TileLoops() {}

    /** Adds sign * sum_k b_k[c] a_k[r] to entry (r, c) of the tile at {@code target}; a_k and b_k are runs of 64. Offsets are bytes. */
    static void multiply(MemorySegment source, long b, long a, int depth, MemorySegment values, long target, int sign) {
        for (int c = 0; c < TILE; c += STEP) {
            for (int r = 0; r < TILE; r += 2 * LANES) {
                long rowBytes = (long) r * Double.BYTES;
                multiplyStep(
                        source,
                        b + (long) c * Double.BYTES,
                        a + rowBytes,
                        depth,
                        values,
                        target + (long) c * COLUMN_BYTES + rowBytes,
                        sign);
            }
        }
    }

    private static void multiplyStep(
            MemorySegment source, long b, long a, int depth, MemorySegment values, long target, int sign) {
        DoubleVector s00 = DoubleVector.zero(SPECIES);
        DoubleVector s01 = s00;
        DoubleVector s10 = s00;
        DoubleVector s11 = s00;
        DoubleVector s20 = s00;
        DoubleVector s21 = s00;
        DoubleVector s30 = s00;
        DoubleVector s31 = s00;
        long end = a + (long) depth * COLUMN_BYTES;
        long bAt = b;
        for (long at = a; at < end; at += COLUMN_BYTES) {
            DoubleVector a0 = load(source, at);
            DoubleVector a1 = load(source, at + LANE_BYTES);
            DoubleVector b0 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt));
            DoubleVector b1 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 8));
            DoubleVector b2 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 16));
            DoubleVector b3 = DoubleVector.broadcast(SPECIES, source.get(ValueLayout.JAVA_DOUBLE, bAt + 24));
            s00 = a0.fma(b0, s00);
            s01 = a1.fma(b0, s01);
            s10 = a0.fma(b1, s10);
            s11 = a1.fma(b1, s11);
            s20 = a0.fma(b2, s20);
            s21 = a1.fma(b2, s21);
            s30 = a0.fma(b3, s30);
            s31 = a1.fma(b3, s31);
            bAt += COLUMN_BYTES;
        }
        addTo(values, target, s00, s01, sign);
        addTo(values, target + COLUMN_BYTES, s10, s11, sign);
        addTo(values, target + 2 * COLUMN_BYTES, s20, s21, sign);
        addTo(values, target + 3 * COLUMN_BYTES, s30, s31, sign);
    }

    private static void addTo(MemorySegment values, long target, DoubleVector first, DoubleVector second, int sign) {
        load(values, target).add(first.mul(sign)).intoMemorySegment(values, target, ByteOrder.nativeOrder());
        load(values, target + LANE_BYTES)
                .add(second.mul(sign))
                .intoMemorySegment(values, target + LANE_BYTES, ByteOrder.nativeOrder());
    }

    private static DoubleVector load(MemorySegment source, long offset) {
        return DoubleVector.fromMemorySegment(SPECIES, source, offset, ByteOrder.nativeOrder());
    }
}
