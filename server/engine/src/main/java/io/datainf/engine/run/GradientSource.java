package io.datainf.engine.run;

import java.lang.foreign.MemorySegment;

/**
 * Where the gradients of a batch come from: [k, D] row-major, little-endian, no padding. Read once, from the first byte to the
 * last, on the thread that appends the batch.
 */
public interface GradientSource {

    /** Bytes in all. */
    long byteCount();

    /** Copies the next {@code target.byteSize()} bytes. */
    void read(MemorySegment target);

    /**
     * Is told the CRC-32C of all bytes once they are read, and throws if they are not those that were sent: nothing of the batch is
     * then applied.
     */
    default void verify(int crc32c) {}

    /** Reads memory that nobody changes meanwhile; after its end again from the beginning, for a batch that is sent again. */
    static GradientSource of(MemorySegment gradients) {
        return new GradientSource() {
            private long position;

            @Override
            public long byteCount() {
                return gradients.byteSize();
            }

            @Override
            public void read(MemorySegment target) {
                MemorySegment.copy(gradients, position, target, 0, target.byteSize());
                position = (position + target.byteSize()) % Math.max(1, gradients.byteSize());
            }
        };
    }
}
