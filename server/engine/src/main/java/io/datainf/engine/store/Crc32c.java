package io.datainf.engine.store;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** CRC-32C (Castagnoli) of memory outside the heap or of byte arrays, of any length. One thread at a time. */
public final class Crc32c {

    private static final long PIECE_BYTES = 1L << 30;

    private final CRC32C crc = new CRC32C();

    /** Returns the checksum of {@code length} bytes from {@code offset}. */
    public int of(MemorySegment segment, long offset, long length) {
        crc.reset();
        for (long done = 0; done < length; done += PIECE_BYTES) {
            crc.update(segment.asSlice(offset + done, Math.min(PIECE_BYTES, length - done))
                    .asByteBuffer());
        }
        return (int) crc.getValue();
    }

    /** Computes the checksums of {@code count} rows of {@code rowBytes} that lie one after the other. */
    public void ofRows(MemorySegment rows, long rowBytes, int count, int[] target) {
        long bytes = rowBytes * count;
        if (bytes > Integer.MAX_VALUE) {
            for (int i = 0; i < count; i++) {
                target[i] = of(rows, i * rowBytes, rowBytes);
            }
            return;
        }
        // One view for all rows: small rows come by the thousand.
        ByteBuffer view = rows.asSlice(0, bytes).asByteBuffer();
        for (int i = 0; i < count; i++) {
            crc.reset();
            crc.update(view.limit((int) ((i + 1) * rowBytes)).position((int) (i * rowBytes)));
            target[i] = (int) crc.getValue();
        }
    }

    static String hex(int checksum) {
        return "crc32c 0x%08x".formatted(checksum);
    }
}
