package io.datainf.engine.memory;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** CRC-32C (Castagnoli) of memory outside the heap or of byte arrays, of any length. One thread at a time. */
public final class Crc32c {

    private static final long PIECE_BYTES = 1L << 30;
    // Reflected: the highest bit is the coefficient of x^0.
    private static final int POLYNOMIAL = 0x82f63b78;
    private static final int ONE = 1 << 31;
    private static final int BYTE = 1 << 23; // x^8

    private final CRC32C crc = new CRC32C();
    private MemorySegment memory = MemorySegment.NULL;
    private @Nullable ByteBuffer view;

    /** Returns the checksum of {@code length} bytes from {@code offset}. */
    public int of(MemorySegment segment, long offset, long length) {
        begin();
        add(segment, offset, length);
        return value();
    }

    /** Has {@link #update} read this memory: one view of it, because small rows come by the thousand. */
    public void over(MemorySegment pieces) {
        memory = pieces;
        view = pieces.byteSize() <= Integer.MAX_VALUE ? pieces.asByteBuffer() : null;
    }

    /** Begins a checksum. */
    public void begin() {
        crc.reset();
    }

    /** Adds {@code length} bytes from {@code offset} on of the memory that {@link #over} named. */
    public void update(long offset, long length) {
        ByteBuffer whole = view;
        if (whole != null) {
            crc.update(whole.limit((int) (offset + length)).position((int) offset));
        } else {
            add(memory, offset, length);
        }
    }

    private void add(MemorySegment segment, long offset, long length) {
        for (long done = 0; done < length; done += PIECE_BYTES) {
            crc.update(segment.asSlice(offset + done, Math.min(PIECE_BYTES, length - done))
                    .asByteBuffer());
        }
    }

    /** The checksum of the pieces since {@link #begin}. */
    public int value() {
        return (int) crc.getValue();
    }

    /**
     * Returns the checksum of two pieces one after the other, from those of the pieces: that of the first is multiplied by
     * x^(8 * length of the second), modulo the polynomial of CRC-32C, bits reflected (as crc32_combine of zlib does).
     *
     * @param shift of the second: see {@link #shift}
     */
    public static int combine(int first, int second, int shift) {
        return product(shift, first) ^ second;
    }

    /** What a checksum is multiplied by when so many bytes follow: for {@link #combine}. */
    public static int shift(long bytes) {
        int shift = ONE;
        int power = BYTE; // x^(8 * 2^k)
        for (long rest = bytes; rest != 0; rest >>>= 1) {
            if ((rest & 1) != 0) {
                shift = product(power, shift);
            }
            power = product(power, power);
        }
        return shift;
    }

    private static int product(int a, int b) {
        int sum = 0;
        int shifted = b;
        for (int bit = ONE; bit != 0; bit >>>= 1) {
            if ((a & bit) != 0) {
                sum ^= shifted;
            }
            shifted = (shifted & 1) == 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
        }
        return sum;
    }

    /** A checksum for people. */
    public static String hex(int checksum) {
        return "crc32c 0x%08x".formatted(checksum);
    }
}
