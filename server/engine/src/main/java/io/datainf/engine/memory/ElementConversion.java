package io.datainf.engine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Conversion of gradient elements from one encoding to another. Memory may be unaligned; elements are little-endian. */
public final class ElementConversion {

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private ElementConversion() {}

    /** Widens {@code count} elements of {@code source} to floats. Exact. */
    public static void toFloats(MemorySegment source, ElementType type, float[] target, int targetIndex, int count) {
        switch (type) {
            case F32 -> MemorySegment.copy(source, F32, 0, target, targetIndex, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target[targetIndex + i] = bf16ToFloat(source.get(U16, (long) i * Short.BYTES));
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target[targetIndex + i] = Float.float16ToFloat(source.get(U16, (long) i * Short.BYTES));
                }
            }
        }
    }

    /**
     * Converts {@code count} elements to an encoding that can be stored. To BF16 rounds to nearest, ties to even; a finite
     * value beyond BF16's range becomes infinite.
     */
    public static void convert(
            MemorySegment source, ElementType sourceType, MemorySegment target, ElementType targetType, long count) {
        if (sourceType == targetType) {
            MemorySegment.copy(source, 0, target, 0, count * sourceType.byteCount());
            return;
        }
        for (long i = 0; i < count; i++) {
            float value = elementAt(source, sourceType, i);
            switch (targetType) {
                case F32 -> target.set(F32, i * Float.BYTES, value);
                case BF16 -> target.set(U16, i * Short.BYTES, floatToBf16(value));
                case F16 -> throw new IllegalArgumentException("targetType is F16: expected F32 or BF16");
            }
        }
    }

    /** Returns element {@code index} of {@code source} as a float. Exact. */
    public static float elementAt(MemorySegment source, ElementType type, long index) {
        return switch (type) {
            case F32 -> source.get(F32, index * Float.BYTES);
            case BF16 -> bf16ToFloat(source.get(U16, index * Short.BYTES));
            case F16 -> Float.float16ToFloat(source.get(U16, index * Short.BYTES));
        };
    }

    /** The float of which these are the upper 16 bits. */
    public static float bf16ToFloat(short bits) {
        return Float.intBitsToFloat(bits << Short.SIZE);
    }

    /** Rounds to the nearest bfloat16, ties to even. NaN stays NaN. */
    public static short floatToBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> Short.SIZE) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> Short.SIZE) & 1)) >>> Short.SIZE);
    }
}
