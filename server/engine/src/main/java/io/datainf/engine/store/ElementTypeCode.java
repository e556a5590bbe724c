package io.datainf.engine.store;

import io.datainf.engine.memory.ElementType;

/** The number that stands for an element type in files: 1 = F32, 2 = BF16. */
final class ElementTypeCode {

    private static final int F32 = 1;
    private static final int BF16 = 2;

    private ElementTypeCode() {}

    static int of(ElementType type) {
        return switch (type) {
            case F32 -> F32;
            case BF16 -> BF16;
            case F16 -> throw new IllegalArgumentException("type is F16: expected F32 or BF16");
        };
    }

    static ElementType typeOf(int code) {
        return switch (code) {
            case F32 -> ElementType.F32;
            case BF16 -> ElementType.BF16;
            default -> throw new IllegalArgumentException("element type is %d: expected 1 or 2".formatted(code));
        };
    }
}
