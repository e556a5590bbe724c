package io.datainf.engine.memory;

/** Encoding of one gradient element. All encodings are little-endian. */
public enum ElementType {
    /** IEEE 754 binary32. */
    F32(Float.BYTES, true),
    /** bfloat16: the upper half of a binary32. */
    BF16(Short.BYTES, true),
    /** IEEE 754 binary16. Accepted on entry, never stored. */
    F16(Short.BYTES, false);

    private final int byteCount;
    private final boolean storable;

    ElementType(int byteCount, boolean storable) {
        this.byteCount = byteCount;
        this.storable = storable;
    }

    /** Bytes of one element. */
    public int byteCount() {
        return byteCount;
    }

    /** Whether rows can be kept in this encoding. */
    public boolean storable() {
        return storable;
    }
}
