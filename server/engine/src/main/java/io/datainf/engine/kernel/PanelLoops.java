package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * SIMD loops of float32 rows with a panel of four columns. Offsets are bytes.
 *
 * <p>Kept apart and small: in a method with too many vector operations the compiler stops inlining the Vector API, silently, and the
 * loop runs eight times slower.
 */
final class PanelLoops {

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int LANES = Lanes.COUNT;
    private static final long STEP = Lanes.REGISTER_BYTES;
    private static final long PANEL_STEP = ColumnPanels.WIDTH * STEP;
    private static final int UNIT = Lanes.UNIT * Float.BYTES;

    private PanelLoops() {}

    /** Adds the products of four rows with the panel to {@code lanes}, [4 rows, 4 columns, lanes] from {@code at} on. */
    static void dots4(
            MemorySegment g,
            long g0,
            long g1,
            long g2,
            long g3,
            int units,
            MemorySegment v,
            long v0,
            float[] lanes,
            int at) {
        FloatVector s00 = FloatVector.fromArray(SPECIES, lanes, at);
        FloatVector s01 = FloatVector.fromArray(SPECIES, lanes, at + LANES);
        FloatVector s02 = FloatVector.fromArray(SPECIES, lanes, at + 2 * LANES);
        FloatVector s03 = FloatVector.fromArray(SPECIES, lanes, at + 3 * LANES);
        FloatVector s10 = FloatVector.fromArray(SPECIES, lanes, at + 4 * LANES);
        FloatVector s11 = FloatVector.fromArray(SPECIES, lanes, at + 5 * LANES);
        FloatVector s12 = FloatVector.fromArray(SPECIES, lanes, at + 6 * LANES);
        FloatVector s13 = FloatVector.fromArray(SPECIES, lanes, at + 7 * LANES);
        FloatVector s20 = FloatVector.fromArray(SPECIES, lanes, at + 8 * LANES);
        FloatVector s21 = FloatVector.fromArray(SPECIES, lanes, at + 9 * LANES);
        FloatVector s22 = FloatVector.fromArray(SPECIES, lanes, at + 10 * LANES);
        FloatVector s23 = FloatVector.fromArray(SPECIES, lanes, at + 11 * LANES);
        FloatVector s30 = FloatVector.fromArray(SPECIES, lanes, at + 12 * LANES);
        FloatVector s31 = FloatVector.fromArray(SPECIES, lanes, at + 13 * LANES);
        FloatVector s32 = FloatVector.fromArray(SPECIES, lanes, at + 14 * LANES);
        FloatVector s33 = FloatVector.fromArray(SPECIES, lanes, at + 15 * LANES);
        long end = (long) units * UNIT;
        long y = v0;
        for (long x = 0; x < end; x += STEP) {
            FloatVector c0 = FloatVector.fromMemorySegment(SPECIES, v, y, LE);
            FloatVector c1 = FloatVector.fromMemorySegment(SPECIES, v, y + STEP, LE);
            FloatVector c2 = FloatVector.fromMemorySegment(SPECIES, v, y + 2 * STEP, LE);
            FloatVector c3 = FloatVector.fromMemorySegment(SPECIES, v, y + 3 * STEP, LE);
            FloatVector row = FloatVector.fromMemorySegment(SPECIES, g, g0 + x, LE);
            s00 = row.fma(c0, s00);
            s01 = row.fma(c1, s01);
            s02 = row.fma(c2, s02);
            s03 = row.fma(c3, s03);
            row = FloatVector.fromMemorySegment(SPECIES, g, g1 + x, LE);
            s10 = row.fma(c0, s10);
            s11 = row.fma(c1, s11);
            s12 = row.fma(c2, s12);
            s13 = row.fma(c3, s13);
            row = FloatVector.fromMemorySegment(SPECIES, g, g2 + x, LE);
            s20 = row.fma(c0, s20);
            s21 = row.fma(c1, s21);
            s22 = row.fma(c2, s22);
            s23 = row.fma(c3, s23);
            row = FloatVector.fromMemorySegment(SPECIES, g, g3 + x, LE);
            s30 = row.fma(c0, s30);
            s31 = row.fma(c1, s31);
            s32 = row.fma(c2, s32);
            s33 = row.fma(c3, s33);
            y += PANEL_STEP;
        }
        s00.intoArray(lanes, at);
        s01.intoArray(lanes, at + LANES);
        s02.intoArray(lanes, at + 2 * LANES);
        s03.intoArray(lanes, at + 3 * LANES);
        s10.intoArray(lanes, at + 4 * LANES);
        s11.intoArray(lanes, at + 5 * LANES);
        s12.intoArray(lanes, at + 6 * LANES);
        s13.intoArray(lanes, at + 7 * LANES);
        s20.intoArray(lanes, at + 8 * LANES);
        s21.intoArray(lanes, at + 9 * LANES);
        s22.intoArray(lanes, at + 10 * LANES);
        s23.intoArray(lanes, at + 11 * LANES);
        s30.intoArray(lanes, at + 12 * LANES);
        s31.intoArray(lanes, at + 13 * LANES);
        s32.intoArray(lanes, at + 14 * LANES);
        s33.intoArray(lanes, at + 15 * LANES);
    }

    /**
     * Adds one unit of {@code rowCount} rows, {@code stride} apart, to two columns of a panel.
     *
     * @param c coefficients [rows, m], those of the first column of the two from {@code at} on
     */
    static void addRows2(
            MemorySegment g, long g0, long stride, int rowCount, float[] c, int at, int m, MemorySegment r, long r0) {
        FloatVector s00 = FloatVector.fromMemorySegment(SPECIES, r, r0, LE);
        FloatVector s01 = FloatVector.fromMemorySegment(SPECIES, r, r0 + PANEL_STEP, LE);
        FloatVector s02 = FloatVector.fromMemorySegment(SPECIES, r, r0 + 2 * PANEL_STEP, LE);
        FloatVector s03 = FloatVector.fromMemorySegment(SPECIES, r, r0 + 3 * PANEL_STEP, LE);
        FloatVector s10 = FloatVector.fromMemorySegment(SPECIES, r, r0 + STEP, LE);
        FloatVector s11 = FloatVector.fromMemorySegment(SPECIES, r, r0 + STEP + PANEL_STEP, LE);
        FloatVector s12 = FloatVector.fromMemorySegment(SPECIES, r, r0 + STEP + 2 * PANEL_STEP, LE);
        FloatVector s13 = FloatVector.fromMemorySegment(SPECIES, r, r0 + STEP + 3 * PANEL_STEP, LE);
        for (int k = 0; k < rowCount; k++) {
            long x = g0 + k * stride;
            FloatVector c0 = FloatVector.broadcast(SPECIES, c[at + k * m]);
            FloatVector c1 = FloatVector.broadcast(SPECIES, c[at + k * m + 1]);
            FloatVector row0 = FloatVector.fromMemorySegment(SPECIES, g, x, LE);
            FloatVector row1 = FloatVector.fromMemorySegment(SPECIES, g, x + STEP, LE);
            FloatVector row2 = FloatVector.fromMemorySegment(SPECIES, g, x + 2 * STEP, LE);
            FloatVector row3 = FloatVector.fromMemorySegment(SPECIES, g, x + 3 * STEP, LE);
            s00 = row0.fma(c0, s00);
            s01 = row1.fma(c0, s01);
            s02 = row2.fma(c0, s02);
            s03 = row3.fma(c0, s03);
            s10 = row0.fma(c1, s10);
            s11 = row1.fma(c1, s11);
            s12 = row2.fma(c1, s12);
            s13 = row3.fma(c1, s13);
        }
        s00.intoMemorySegment(r, r0, LE);
        s01.intoMemorySegment(r, r0 + PANEL_STEP, LE);
        s02.intoMemorySegment(r, r0 + 2 * PANEL_STEP, LE);
        s03.intoMemorySegment(r, r0 + 3 * PANEL_STEP, LE);
        s10.intoMemorySegment(r, r0 + STEP, LE);
        s11.intoMemorySegment(r, r0 + STEP + PANEL_STEP, LE);
        s12.intoMemorySegment(r, r0 + STEP + 2 * PANEL_STEP, LE);
        s13.intoMemorySegment(r, r0 + STEP + 3 * PANEL_STEP, LE);
    }
}
