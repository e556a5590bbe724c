package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ElementConversionTest {

    private static final int COUNT = 37;

    @Test
    void bf16_roundsToNearest_tiesToEven() {
        assertThat(rounded(1f)).isEqualTo(1f);
        assertThat(rounded(bits(0x3f80_7fff))).isEqualTo(bits(0x3f80_0000));
        assertThat(rounded(bits(0x3f80_8000))).isEqualTo(bits(0x3f80_0000)); // tie, even below
        assertThat(rounded(bits(0x3f80_8001))).isEqualTo(bits(0x3f81_0000));
        assertThat(rounded(bits(0x3f81_8000))).isEqualTo(bits(0x3f82_0000)); // tie, even above
        assertThat(rounded(-0f)).isEqualTo(-0f);
    }

    @Test
    void bf16_ofValuesBeyondItsRange_isInfinite() {
        assertThat(rounded(Float.MAX_VALUE)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(rounded(-Float.MAX_VALUE)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(rounded(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
    }

    @Test
    void bf16_ofNan_isNan() {
        assertThat(rounded(Float.NaN)).isNaN();
        assertThat(rounded(bits(0x7f80_0001))).isNaN(); // payload in the lost half only
        assertThat(rounded(bits(0xffff_ffff))).isNaN();
    }

    private static float bits(int bits) {
        return Float.intBitsToFloat(bits);
    }

    private static float rounded(float value) {
        return ElementConversion.bf16ToFloat(ElementConversion.floatToBf16(value));
    }

    @Test
    void convert_ofUnalignedMemory_givesEachElement() {
        float[] values = new float[COUNT];
        Random random = new Random(3);
        for (int i = 0; i < COUNT; i++) {
            values[i] = (float) random.nextGaussian();
        }
        for (ElementType source : ElementType.values()) {
            MemorySegment encoded = unaligned(source);
            for (int i = 0; i < COUNT; i++) {
                encode(encoded, source, i, values[i]);
            }
            for (ElementType target : new ElementType[] {ElementType.F32, ElementType.BF16}) {
                MemorySegment converted = unaligned(target);
                ElementConversion.convert(encoded, source, converted, target, COUNT);
                float[] widened = new float[COUNT + 2];
                ElementConversion.toFloats(converted, target, widened, 1, COUNT);
                for (int i = 0; i < COUNT; i++) {
                    float exact = ElementConversion.elementAt(encoded, source, i);
                    assertThat(widened[i + 1]).isEqualTo(target == ElementType.F32 ? exact : rounded(exact));
                }
                assertThat(widened[0] + widened[COUNT + 1]).isZero();
            }
        }
    }

    private static MemorySegment unaligned(ElementType type) {
        return MemorySegment.ofArray(new byte[COUNT * type.byteCount() + 1]).asSlice(1);
    }

    /** Writes a value byte by byte, little-endian. */
    private static void encode(MemorySegment target, ElementType type, int index, float value) {
        int bits = switch (type) {
            case F32 -> Float.floatToRawIntBits(value);
            case BF16 -> ElementConversion.floatToBf16(value);
            case F16 -> Float.floatToFloat16(value);
        };
        for (int b = 0; b < type.byteCount(); b++) {
            long offset = (long) index * type.byteCount() + b;
            target.set(ValueLayout.JAVA_BYTE, offset, (byte) (bits >>> (8 * b)));
        }
    }

    @Test
    void convert_toF16_throws() {
        MemorySegment one = MemorySegment.ofArray(new byte[4]);
        assertThatThrownBy(() -> ElementConversion.convert(one, ElementType.F32, one, ElementType.F16, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("targetType is F16");
    }
}
