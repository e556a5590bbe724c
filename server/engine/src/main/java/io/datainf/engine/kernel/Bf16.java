package io.datainf.engine.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Widening of bfloat16, the upper half of a float32, from pairs: the lower half of an int is the element of even position. */
final class Bf16 {

    private static final IntVector UPPER_HALVES = IntVector.broadcast(IntVector.SPECIES_PREFERRED, 0xffff_0000);

    private Bf16() {}

    /** Elements of even position, exactly. */
    static FloatVector even(IntVector pairs) {
        return pairs.lanewise(VectorOperators.LSHL, Short.SIZE).reinterpretAsFloats();
    }

    /** Elements of odd position, exactly. */
    static FloatVector odd(IntVector pairs) {
        return pairs.lanewise(VectorOperators.AND, UPPER_HALVES).reinterpretAsFloats();
    }
}
