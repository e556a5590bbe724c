package io.datainf.engine.store;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A frame of a segment file: one batch, or a seal. Frames follow each other without gaps, begin at multiples of
 * {@value #ALIGNMENT} bytes and are little-endian. A frame is a head, then rows.
 *
 * <pre>
 *  0 u32     magic "DIFR"
 *  4 u16     kind: 1 = batch, 2 = seal
 *  6 u16     flags: bit 0 = the batch has steps
 *  8 i64     position: offset of this frame in the file
 * 16 i64     frame bytes, head and rows, a multiple of {@value #ALIGNMENT}
 * 24 i64     durable bytes: all of the file before this offset was forced when this frame was written
 * 32 i64     revision of the run after the batch
 * 40 i64     batch_seq
 * 48 u32     k, samples of the batch
 * 52 u32     s, samples stored: s &lt;= k
 * 56 u32     w, bytes of the writer id
 * 60 u32     CRC-32C of bytes 0 to 59
 * 64 u64[k]  sample ids
 *    i64[k]  steps, if flagged
 *    f64[s,L] q of each stored sample and block
 *    u32[s]  positions in the batch of the stored samples, ascending
 *    u32[s]  CRC-32C of the rows
 *    u8[w]   writer id, UTF-8
 *    u8[]    zero, so that the head is a multiple of {@value #ALIGNMENT} bytes
 *    u32     CRC-32C of the head from byte 64 to here: the last 4 bytes of the head
 *    rows    s rows of {@code row bytes}, {@code row stride} apart (segment header)
 *    u8[]    padding to a multiple of {@value #ALIGNMENT}, never read
 * </pre>
 *
 * A seal has k = s = w = 0. It is written when the last writer has gone, and proves with its {@code durable bytes} that
 * everything before it was acknowledged.
 */
final class FrameFormat {

    static final int ALIGNMENT = 64;
    static final int FIXED_BYTES = 64;
    static final int KIND_BATCH = 1;
    static final int KIND_SEAL = 2;

    private static final int MAGIC = 0x52464944; // "DIFR" in file order
    private static final int FLAG_STEPS = 1;

    private static final int MAGIC_OFFSET = 0;
    private static final int KIND_OFFSET = 4;
    private static final int FLAGS_OFFSET = 6;
    private static final int POSITION_OFFSET = 8;
    private static final int FRAME_BYTES_OFFSET = 16;
    private static final int DURABLE_BYTES_OFFSET = 24;
    private static final int REVISION_OFFSET = 32;
    private static final int BATCH_SEQ_OFFSET = 40;
    private static final int SAMPLE_COUNT_OFFSET = 48;
    private static final int STORED_COUNT_OFFSET = 52;
    private static final int WRITER_ID_BYTES_OFFSET = 56;
    private static final int FIXED_CHECKSUM_OFFSET = 60;

    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble F64 =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private FrameFormat() {}

    /** Rounds up to a multiple of {@link #ALIGNMENT}. */
    static long align(long bytes) {
        return Math.addExact(bytes, ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Bytes of the head of a batch. */
    static long headBytes(BatchRecord batch, byte[] writerId, RowGeometry geometry) {
        SampleColumns samples = batch.samples();
        return new Shape(
                        samples.sampleCount(),
                        samples.steps().length > 0,
                        batch.stored().length,
                        writerId.length,
                        geometry)
                .headBytes();
    }

    /** Bytes of a seal. */
    static long sealBytes() {
        return align(FIXED_BYTES + Integer.BYTES);
    }

    /** Writes the head of a batch into {@code target}, which is {@link #headBytes} long; returns the bytes of the frame. */
    static long encodeBatch(
            BatchRecord batch,
            byte[] writerId,
            RowGeometry geometry,
            long position,
            long durableBytes,
            MemorySegment target) {
        SampleColumns samples = batch.samples();
        boolean steps = samples.steps().length > 0;
        int storedCount = batch.stored().length;
        Shape shape = new Shape(samples.sampleCount(), steps, storedCount, writerId.length, geometry);
        target.fill((byte) 0);
        target.set(I16, FLAGS_OFFSET, (short) (steps ? FLAG_STEPS : 0));
        target.set(I64, REVISION_OFFSET, batch.revision());
        target.set(I64, BATCH_SEQ_OFFSET, batch.batchSeq());
        target.set(I32, SAMPLE_COUNT_OFFSET, samples.sampleCount());
        target.set(I32, STORED_COUNT_OFFSET, storedCount);
        target.set(I32, WRITER_ID_BYTES_OFFSET, writerId.length);
        MemorySegment.copy(samples.sampleIds(), 0, target, I64, shape.sampleIdsOffset(), samples.sampleCount());
        MemorySegment.copy(samples.steps(), 0, target, I64, shape.stepsOffset(), samples.steps().length);
        for (int i = 0; i < storedCount; i++) {
            int sample = batch.stored()[i];
            MemorySegment.copy(
                    samples.squaredNorms(),
                    sample * geometry.blockCount(),
                    target,
                    F64,
                    shape.squaredNormsOffset(i),
                    geometry.blockCount());
            target.set(I32, shape.storedOffset(i), sample);
            target.set(I32, shape.rowChecksumOffset(i), samples.checksums()[sample]);
        }
        MemorySegment.copy(writerId, 0, target, ValueLayout.JAVA_BYTE, shape.writerIdOffset(), writerId.length);
        finish(target, KIND_BATCH, position, shape.frameBytes(), durableBytes);
        return shape.frameBytes();
    }

    /** Writes a seal into {@code target}, which is {@link #sealBytes} long. */
    static void encodeSeal(long revision, long position, MemorySegment target) {
        target.fill((byte) 0);
        target.set(I64, REVISION_OFFSET, revision);
        finish(target, KIND_SEAL, position, target.byteSize(), position);
    }

    private static void finish(MemorySegment head, int kind, long position, long frameBytes, long durableBytes) {
        head.set(I32, MAGIC_OFFSET, MAGIC);
        head.set(I16, KIND_OFFSET, (short) kind);
        head.set(I64, POSITION_OFFSET, position);
        head.set(I64, FRAME_BYTES_OFFSET, frameBytes);
        head.set(I64, DURABLE_BYTES_OFFSET, durableBytes);
        Crc32c crc = new Crc32c();
        head.set(I32, FIXED_CHECKSUM_OFFSET, crc.of(head, 0, FIXED_CHECKSUM_OFFSET));
        long end = head.byteSize() - Integer.BYTES;
        head.set(I32, end, crc.of(head, FIXED_BYTES, end - FIXED_BYTES));
    }

    /** Whether these bytes, at least {@link #FIXED_BYTES}, begin a frame that was written at {@code position}. */
    static boolean isFrameAt(long position, MemorySegment fixed, Crc32c crc) {
        return fixed.get(I32, MAGIC_OFFSET) == MAGIC
                && fixed.get(I64, POSITION_OFFSET) == position
                && fixed.get(I64, FRAME_BYTES_OFFSET) >= FIXED_BYTES
                && fixed.get(I32, FIXED_CHECKSUM_OFFSET) == crc.of(fixed, 0, FIXED_CHECKSUM_OFFSET);
    }

    /** Says what is wrong where {@link #isFrameAt} is false. */
    static CorruptSegmentException notAFrame(Path file, long position, MemorySegment fixed) {
        int magic = fixed.get(I32, MAGIC_OFFSET);
        if (magic != MAGIC) {
            return new CorruptSegmentException(
                    file, position, "a frame with magic 0x%08x".formatted(MAGIC), "0x%08x".formatted(magic));
        }
        int computed = new Crc32c().of(fixed, 0, FIXED_CHECKSUM_OFFSET);
        int stored = fixed.get(I32, FIXED_CHECKSUM_OFFSET);
        if (computed != stored) {
            return new CorruptSegmentException(
                    file, position + FIXED_CHECKSUM_OFFSET, Crc32c.hex(computed), Crc32c.hex(stored));
        }
        return new CorruptSegmentException(
                file,
                position + POSITION_OFFSET,
                "position " + position,
                Long.toString(fixed.get(I64, POSITION_OFFSET)));
    }

    /** {@code frame bytes} of a frame whose fixed part is valid. */
    static long frameBytes(MemorySegment fixed) {
        return fixed.get(I64, FRAME_BYTES_OFFSET);
    }

    /** {@code durable bytes} of a frame whose fixed part is valid. */
    static long durableBytes(MemorySegment fixed) {
        return fixed.get(I64, DURABLE_BYTES_OFFSET);
    }

    /**
     * Reads the shape of a frame whose fixed part is valid.
     *
     * @throws CorruptSegmentException if its fields contradict each other
     */
    static Shape shape(Path file, long position, MemorySegment fixed, RowGeometry geometry) {
        int kind = fixed.get(I16, KIND_OFFSET);
        int k = fixed.get(I32, SAMPLE_COUNT_OFFSET);
        int s = fixed.get(I32, STORED_COUNT_OFFSET);
        int w = fixed.get(I32, WRITER_ID_BYTES_OFFSET);
        boolean possible =
                kind == KIND_BATCH ? k > 0 && s >= 0 && s <= k && w > 0 : kind == KIND_SEAL && (k | s | w) == 0;
        if (!possible) {
            throw new CorruptSegmentException(
                    file,
                    position + KIND_OFFSET,
                    "a batch or a seal",
                    "kind %d of %d samples, %d stored, writer id of %d bytes".formatted(kind, k, s, w));
        }
        Shape shape = new Shape(k, (fixed.get(I16, FLAGS_OFFSET) & FLAG_STEPS) != 0, s, w, geometry);
        if (shape.frameBytes() != frameBytes(fixed)) {
            throw new CorruptSegmentException(
                    file,
                    position + FRAME_BYTES_OFFSET,
                    "%d bytes for %d of %d samples".formatted(shape.frameBytes(), s, k),
                    Long.toString(frameBytes(fixed)));
        }
        return shape;
    }

    /** Where things lie in a frame. Offsets count from its beginning. */
    record Shape(int sampleCount, boolean steps, int storedCount, int writerIdBytes, RowGeometry geometry) {

        private long sampleIdsOffset() {
            return FIXED_BYTES;
        }

        private long stepsOffset() {
            return sampleIdsOffset() + (long) sampleCount * Long.BYTES;
        }

        private long squaredNormsOffset(int i) {
            long offset = stepsOffset() + (steps ? (long) sampleCount * Long.BYTES : 0);
            return offset + (long) i * geometry.blockCount() * Double.BYTES;
        }

        private long storedOffset(int i) {
            return squaredNormsOffset(storedCount) + (long) i * Integer.BYTES;
        }

        private long rowChecksumOffset(int i) {
            return storedOffset(storedCount) + (long) i * Integer.BYTES;
        }

        private long writerIdOffset() {
            return rowChecksumOffset(storedCount);
        }

        long headBytes() {
            return align(writerIdOffset() + writerIdBytes + Integer.BYTES);
        }

        long rowOffset(int i) {
            return headBytes() + i * geometry.strideBytes();
        }

        long frameBytes() {
            return align(rowOffset(storedCount));
        }
    }

    /** The head of a frame, {@code shape.headBytes()} long. */
    record Head(Shape shape, MemorySegment bytes) {

        /** Checks the checksum of the columns and the positions among them. */
        void validate(Path file, long position, Crc32c crc) {
            long end = shape.headBytes() - Integer.BYTES;
            int computed = crc.of(bytes, FIXED_BYTES, end - FIXED_BYTES);
            int stored = bytes.get(I32, end);
            if (computed != stored) {
                throw new CorruptSegmentException(file, position + end, Crc32c.hex(computed), Crc32c.hex(stored));
            }
            int before = -1;
            for (int i = 0; i < shape.storedCount(); i++) {
                int sample = bytes.get(I32, shape.storedOffset(i));
                if (sample <= before || sample >= shape.sampleCount()) {
                    throw new CorruptSegmentException(
                            file,
                            position + shape.storedOffset(i),
                            "a position above %d and below %d".formatted(before, shape.sampleCount()),
                            Integer.toString(sample));
                }
                before = sample;
            }
        }

        boolean seal() {
            return bytes.get(I16, KIND_OFFSET) == KIND_SEAL;
        }

        long revision() {
            return bytes.get(I64, REVISION_OFFSET);
        }

        long batchSeq() {
            return bytes.get(I64, BATCH_SEQ_OFFSET);
        }

        String writerId() {
            byte[] id =
                    bytes.asSlice(shape.writerIdOffset(), shape.writerIdBytes()).toArray(ValueLayout.JAVA_BYTE);
            return new String(id, StandardCharsets.UTF_8);
        }

        /** Id of the {@code i}-th stored sample. */
        long sampleId(int i) {
            int sample = bytes.get(I32, shape.storedOffset(i));
            return bytes.get(I64, shape.sampleIdsOffset() + (long) sample * Long.BYTES);
        }

        /** q of the {@code i}-th stored sample, [L]. */
        void squaredNorms(int i, double[] target) {
            MemorySegment.copy(bytes, F64, shape.squaredNormsOffset(i), target, 0, target.length);
        }

        int rowChecksum(int i) {
            return bytes.get(I32, shape.rowChecksumOffset(i));
        }
    }
}
