package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The SIMD loop that does nothing but read rows, so that they lie in the cache for the loop that comes next. A processor runs ahead of a missing load by a
 * few hundred instructions: the fewer a register costs, the more of them are under way at once.
 */
final class FetchLoops {

    private static final VectorSpecies<Integer> SPECIES = IntVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final long STEP = Lanes.REGISTER_BYTES;

    /** Length of the array that receives what was read. */
    static final int RESULT_LENGTH = SPECIES.length();

    private FetchLoops() {}

    /** Reads {@code count} bytes, whole registers of them, of two rows. The result means nothing. */
    static void fetch2(MemorySegment g, long g0, long g1, long count, int[] result) {
        IntVector sum0 = IntVector.zero(SPECIES);
        IntVector sum1 = sum0;
        for (long x = 0; x <= count - STEP; x += STEP) {
            sum0 = sum0.add(IntVector.fromMemorySegment(SPECIES, g, g0 + x, LE));
            sum1 = sum1.add(IntVector.fromMemorySegment(SPECIES, g, g1 + x, LE));
        }
        sum0.add(sum1).intoArray(result, 0);
    }
}
