package io.datainf.engine.kernel;

import jdk.incubator.vector.FloatVector;

/** Sizes of the SIMD registers of this machine. */
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
}
