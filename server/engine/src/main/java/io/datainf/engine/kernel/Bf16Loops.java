package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** SIMD loops over bfloat16, which is the upper half of a float32. */
final class Bf16Loops {

    private static final VectorSpecies<Integer> WIDE = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> NARROW =
            VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LE);

    private Bf16Loops() {}

    /** Widens {@code count} bfloat16 to float32, exactly. Offsets are bytes. */
    static void widen(MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, int count) {
        int lanes = WIDE.length();
        int i = 0;
        for (; i <= count - lanes; i += lanes) {
            IntVector bits =
                    (IntVector) ShortVector.fromMemorySegment(NARROW, source, sourceOffset + (long) i * Short.BYTES, LE)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, WIDE, 0);
            bits.lanewise(VectorOperators.LSHL, Short.SIZE)
                    .intoMemorySegment(target, targetOffset + (long) i * Float.BYTES, LE);
        }
        for (; i < count; i++) {
            int bits = source.get(U16, sourceOffset + (long) i * Short.BYTES) << Short.SIZE;
            target.set(I32, targetOffset + (long) i * Float.BYTES, bits);
        }
    }
}
