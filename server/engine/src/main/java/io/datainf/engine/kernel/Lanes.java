package io.datainf.engine.kernel;

import jdk.incubator.vector.FloatVector;

/** Sizes of the SIMD registers of this machine, and the sum of what is in one. */
final class Lanes {

    /** Float32 lanes of a register. */
    static final int COUNT = FloatVector.SPECIES_PREFERRED.length();

    /** Bytes of a register. */
    static final long REGISTER_BYTES = (long) COUNT * Float.BYTES;

    /** Registers of float32 in a unit. */
    static final int UNIT_REGISTERS = 4;

    /** Elements of a unit: blocks are cut, and columns filled up, to whole units. */
    static final int UNIT = UNIT_REGISTERS * COUNT;

    private Lanes() {}

    /** Elements of whole units that hold {@code elements}. */
    static int padded(int elements) {
        return Math.multiplyExact(Math.ceilDiv(elements, UNIT), UNIT);
    }

    /** Adds up one register that was stored at {@code at}, in float64 and in a fixed order. */
    static double sum(float[] lanes, int at) {
        double sum0 = 0;
        double sum1 = 0;
        double sum2 = 0;
        double sum3 = 0;
        for (int i = at; i < at + COUNT; i += 4) {
            sum0 += lanes[i];
            sum1 += lanes[i + 1];
            sum2 += lanes[i + 2];
            sum3 += lanes[i + 3];
        }
        return (sum0 + sum1) + (sum2 + sum3);
    }
}
