package io.datainf.client;

/** How the elements of gradients are encoded on the wire, little-endian. */
public enum ElementType {
    /** IEEE 754 binary32. */
    F32(io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F32, Float.BYTES),
    /** bfloat16: the upper half of a binary32. */
    BF16(io.datainf.proto.v1.ElementType.ELEMENT_TYPE_BF16, Short.BYTES),
    /** IEEE 754 binary16. */
    F16(io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F16, Short.BYTES);

    private final io.datainf.proto.v1.ElementType proto;
    private final int bytes;

    ElementType(io.datainf.proto.v1.ElementType proto, int bytes) {
        this.proto = proto;
        this.bytes = bytes;
    }

    /** Size of an element, bytes. */
    public int bytes() {
        return bytes;
    }

    io.datainf.proto.v1.ElementType proto() {
        return proto;
    }
}
