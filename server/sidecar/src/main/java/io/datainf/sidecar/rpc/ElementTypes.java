package io.datainf.sidecar.rpc;

import io.datainf.engine.memory.ElementType;

/** Translates encodings of gradients between the protocol and the engine. */
final class ElementTypes {

    private ElementTypes() {}

    /** Returns the engine's type: F32 when unspecified or, with a violation, when it is of a later protocol. */
    static ElementType decode(
            io.datainf.proto.v1.ElementType type,
            int number,
            String field,
            InvalidRequestException.Collector violations) {
        return switch (type) {
            case ELEMENT_TYPE_UNSPECIFIED, ELEMENT_TYPE_F32 -> ElementType.F32;
            case ELEMENT_TYPE_BF16 -> ElementType.BF16;
            case ELEMENT_TYPE_F16 -> ElementType.F16;
            case UNRECOGNIZED -> {
                violations.add(field, "%s is %d: expected F32, BF16 or F16".formatted(field, number));
                yield ElementType.F32;
            }
        };
    }

    static io.datainf.proto.v1.ElementType encode(ElementType type) {
        return switch (type) {
            case F32 -> io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F32;
            case BF16 -> io.datainf.proto.v1.ElementType.ELEMENT_TYPE_BF16;
            case F16 -> io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F16;
        };
    }
}
