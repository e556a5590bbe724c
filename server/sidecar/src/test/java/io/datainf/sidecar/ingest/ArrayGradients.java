package io.datainf.sidecar.ingest;

import java.lang.foreign.MemorySegment;

/** Gradients in an array, which stay readable. */
final class ArrayGradients implements GradientBytes {

    private MemorySegment rest;

    ArrayGradients(byte[] bytes) {
        this.rest = MemorySegment.ofArray(bytes);
    }

    @Override
    public int byteCount() {
        return Math.toIntExact(rest.byteSize());
    }

    @Override
    public void read(MemorySegment target) {
        MemorySegment.copy(rest, 0, target, 0, target.byteSize());
        rest = rest.asSlice(target.byteSize());
    }

    @Override
    public GradientBytes keep() {
        return this;
    }

    @Override
    public void close() {}
}
