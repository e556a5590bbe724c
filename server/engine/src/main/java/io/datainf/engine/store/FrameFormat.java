package io.datainf.engine.store;

import io.datainf.engine.memory.Crc32c;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A frame of a segment file: a batch, a deletion or a mark. Frames follow each other without gaps, begin at multiples of
 * {@value #ALIGNMENT} bytes and are little-endian. A frame is a head, then rows.
 *
 * <pre>
 *  0 u32     magic "DIFR"
 *  4 u8      kind: 1 = batch, 2 = mark, 3 = deletion
 *  5 u8      flags: bit 0 = the batch has steps, bit 1 = rows were left out by compaction
 *  6 u8      w, bytes of the writer id
 *  7 u8      zero
 *  8 i64     position: offset of this frame in the file
 * 16 i64     frame bytes, head and rows, a multiple of {@value #ALIGNMENT}
 * 24 i64     durable bytes: all of the file before this offset was forced when this frame was written
 * 32 i64     revision of the run after the frame
 * 40 i64     batch_seq; 0 if not a batch
 * 48 i64     first ordinal: of the frame's first row as it was first written
 * 56 u32     s: samples stored, or deleted
 * 60 u32     CRC-32C of bytes 0 to 59
 * 64 u64[s]  sample ids
 *    i64[s]  steps, if flagged
 *    f64[s,L] q of each sample and block (batches)
 *    u32[s]  ordinals less the first, ascending, if rows were left out
 *    u32[s]  CRC-32C of the rows (batches)
 *    u8[w]   writer id, UTF-8
 *    u8[]    zero, so that the head is a multiple of {@value #ALIGNMENT} bytes
 *    u32     CRC-32C of the head from byte 64 to here: the last 4 bytes of the head
 *    rows    s rows of {@code row bytes}, {@code row stride} apart (segment header; batches)
 *    u8[]    padding to a multiple of {@value #ALIGNMENT}, never read
 * </pre>
 *
 * A mark has s = w = 0 and ends at byte 64. It is written behind each group once that is forced, and proves with its
 * {@code durable bytes}, its own position, that everything before it was acknowledged.
 */
final class FrameFormat {

    static final int ALIGNMENT = 64;
    static final int FIXED_BYTES = 64;
    static final int MARK_BYTES = FIXED_BYTES;
    static final int KIND_BATCH = 1;
    static final int KIND_MARK = 2;
    static final int KIND_DELETION = 3;

    private static final int MAGIC = 0x52464944; // "DIFR" in file order
    private static final int FLAG_STEPS = 1;
    private static final int FLAG_ORDINALS = 2;

    private static final int MAGIC_OFFSET = 0;
    private static final int KIND_OFFSET = 4;
    private static final int FLAGS_OFFSET = 5;
    private static final int WRITER_ID_BYTES_OFFSET = 6;
    private static final int POSITION_OFFSET = 8;
    private static final int FRAME_BYTES_OFFSET = 16;
    private static final int DURABLE_BYTES_OFFSET = 24;
    private static final int REVISION_OFFSET = 32;
    private static final int BATCH_SEQ_OFFSET = 40;
    private static final int FIRST_ORDINAL_OFFSET = 48;
    private static final int SAMPLE_COUNT_OFFSET = 56;
    private static final int FIXED_CHECKSUM_OFFSET = 60;

    private static final ValueLayout.OfByte I8 = ValueLayout.JAVA_BYTE;
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble F64 =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private FrameFormat() {}

    /**
     * Where a frame goes.
     *
     * @param position its offset in the file
     * @param durableBytes how much of the file before it is forced
     * @param firstOrdinal of its first row
     */
    record Place(long position, long durableBytes, long firstOrdinal) {}

    /** Rounds up to a multiple of {@link #ALIGNMENT}. */
    static long align(long bytes) {
        return Math.addExact(bytes, ALIGNMENT - 1) & -ALIGNMENT;
    }

    static Shape shape(BatchRecord batch, byte[] writerId, RowGeometry geometry) {
        int flags = batch.samples().steps().length > 0 ? FLAG_STEPS : 0;
        return new Shape(KIND_BATCH, flags, batch.stored().length, writerId.length, geometry);
    }

    static Shape shape(DeletionRecord deletion, RowGeometry geometry) {
        return new Shape(KIND_DELETION, 0, deletion.sampleIds().length, 0, geometry);
    }

    /** Writes the head of a batch into {@code target}, which is as long as the shape says. */
    static void encode(BatchRecord batch, byte[] writerId, Shape shape, Place place, MemorySegment target) {
        SampleColumns samples = batch.samples();
        int blocks = shape.geometry().blockCount();
        target.fill((byte) 0);
        target.set(I64, REVISION_OFFSET, batch.revision());
        target.set(I64, BATCH_SEQ_OFFSET, batch.batchSeq());
        for (int i = 0; i < shape.sampleCount(); i++) {
            int sample = batch.stored()[i];
            target.set(I64, shape.sampleIdOffset(i), samples.sampleIds()[sample]);
            if (shape.steps()) {
                target.set(I64, shape.stepOffset(i), samples.steps()[sample]);
            }
            MemorySegment.copy(
                    samples.squaredNorms(), sample * blocks, target, F64, shape.squaredNormsOffset(i), blocks);
            target.set(I32, shape.rowChecksumOffset(i), samples.checksums()[sample]);
        }
        MemorySegment.copy(writerId, 0, target, I8, shape.writerIdOffset(), writerId.length);
        finish(target, shape, place);
    }

    /** Writes the head of a deletion, which is the whole frame. */
    static void encode(DeletionRecord deletion, Shape shape, Place place, MemorySegment target) {
        target.fill((byte) 0);
        target.set(I64, REVISION_OFFSET, deletion.revision());
        MemorySegment.copy(deletion.sampleIds(), 0, target, I64, shape.sampleIdOffset(0), shape.sampleCount());
        finish(target, shape, place);
    }

    /** The shape of a frame that compaction leaves of another: some of the rows of a batch, or all of anything else. */
    static Shape shape(Head whole, int keptCount) {
        Shape shape = whole.shape();
        return whole.kind() != KIND_BATCH || keptCount == shape.sampleCount()
                ? shape
                : new Shape(
                        KIND_BATCH, shape.flags() | FLAG_ORDINALS, keptCount, shape.writerIdBytes(), shape.geometry());
    }

    /** Writes the head of a frame that keeps the samples at these positions of another one, ascending. */
    static void encode(Head whole, int[] kept, Shape shape, Place place, MemorySegment target) {
        int blocks = shape.geometry().blockCount();
        MemorySegment source = whole.bytes();
        Shape from = whole.shape();
        target.fill((byte) 0);
        target.set(I64, REVISION_OFFSET, whole.revision());
        target.set(I64, BATCH_SEQ_OFFSET, whole.batchSeq());
        for (int i = 0; i < shape.sampleCount(); i++) {
            int k = kept[i];
            target.set(I64, shape.sampleIdOffset(i), whole.sampleId(k));
            if (shape.steps()) {
                target.set(I64, shape.stepOffset(i), source.get(I64, from.stepOffset(k)));
            }
            if (shape.kind() == KIND_BATCH) {
                long bytes = (long) blocks * Double.BYTES;
                MemorySegment.copy(source, from.squaredNormsOffset(k), target, shape.squaredNormsOffset(i), bytes);
                target.set(I32, shape.rowChecksumOffset(i), whole.rowChecksum(k));
            }
            if (shape.ordinals()) {
                target.set(I32, shape.ordinalOffset(i), (int) (whole.ordinal(k) - whole.firstOrdinal()));
            }
        }
        MemorySegment.copy(source, from.writerIdOffset(), target, shape.writerIdOffset(), shape.writerIdBytes());
        finish(target, shape, place);
    }

    /** Writes a mark into {@code target}, which is {@link #MARK_BYTES} long. */
    static void encodeMark(long revision, Place place, MemorySegment target) {
        target.fill((byte) 0);
        target.set(I64, REVISION_OFFSET, revision);
        finish(target, new Shape(KIND_MARK, 0, 0, 0, new RowGeometry(0, 0, 0)), place);
    }

    private static void finish(MemorySegment head, Shape shape, Place place) {
        head.set(I32, MAGIC_OFFSET, MAGIC);
        head.set(I8, KIND_OFFSET, (byte) shape.kind());
        head.set(I8, FLAGS_OFFSET, (byte) shape.flags());
        head.set(I8, WRITER_ID_BYTES_OFFSET, (byte) shape.writerIdBytes());
        head.set(I64, POSITION_OFFSET, place.position());
        head.set(I64, FRAME_BYTES_OFFSET, shape.frameBytes());
        head.set(I64, DURABLE_BYTES_OFFSET, place.durableBytes());
        head.set(I64, FIRST_ORDINAL_OFFSET, place.firstOrdinal());
        head.set(I32, SAMPLE_COUNT_OFFSET, shape.sampleCount());
        Crc32c crc = new Crc32c();
        head.set(I32, FIXED_CHECKSUM_OFFSET, crc.of(head, 0, FIXED_CHECKSUM_OFFSET));
        if (shape.kind() != KIND_MARK) {
            long end = shape.headBytes() - Integer.BYTES;
            head.set(I32, end, crc.of(head, FIXED_BYTES, end - FIXED_BYTES));
        }
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

    /** {@code position} of a frame whose fixed part is valid. */
    static long position(MemorySegment fixed) {
        return fixed.get(I64, POSITION_OFFSET);
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
        int kind = fixed.get(I8, KIND_OFFSET);
        int s = fixed.get(I32, SAMPLE_COUNT_OFFSET);
        int w = Byte.toUnsignedInt(fixed.get(I8, WRITER_ID_BYTES_OFFSET));
        boolean possible = switch (kind) {
            case KIND_BATCH -> s >= 0 && w > 0;
            case KIND_MARK -> s == 0 && w == 0;
            case KIND_DELETION -> s > 0 && w == 0;
            default -> false;
        };
        if (!possible) {
            throw new CorruptSegmentException(
                    file,
                    position + KIND_OFFSET,
                    "a batch, a mark or a deletion",
                    "kind %d of %d samples, writer id of %d bytes".formatted(kind, s, w));
        }
        Shape shape = new Shape(kind, fixed.get(I8, FLAGS_OFFSET), s, w, geometry);
        if (shape.frameBytes() != frameBytes(fixed)) {
            throw new CorruptSegmentException(
                    file,
                    position + FRAME_BYTES_OFFSET,
                    "%d bytes for %d samples".formatted(shape.frameBytes(), s),
                    Long.toString(frameBytes(fixed)));
        }
        return shape;
    }

    /** Where things lie in a frame. Offsets count from its beginning. */
    record Shape(int kind, int flags, int sampleCount, int writerIdBytes, RowGeometry geometry) {

        /** Rows of the frame. */
        int rowCount() {
            return kind == KIND_BATCH ? sampleCount : 0;
        }

        private boolean steps() {
            return (flags & FLAG_STEPS) != 0;
        }

        private boolean ordinals() {
            return (flags & FLAG_ORDINALS) != 0;
        }

        private long sampleIdOffset(int i) {
            return FIXED_BYTES + (long) i * Long.BYTES;
        }

        private long stepOffset(int i) {
            return sampleIdOffset(sampleCount + i);
        }

        private long squaredNormsOffset(int i) {
            long offset = steps() ? stepOffset(sampleCount) : sampleIdOffset(sampleCount);
            return offset + (long) i * geometry.blockCount() * Double.BYTES;
        }

        private long ordinalOffset(int i) {
            return squaredNormsOffset(rowCount()) + (long) i * Integer.BYTES;
        }

        private long rowChecksumOffset(int i) {
            return ordinalOffset(ordinals() ? rowCount() + i : i);
        }

        private long writerIdOffset() {
            return rowChecksumOffset(rowCount());
        }

        long headBytes() {
            return kind == KIND_MARK ? MARK_BYTES : align(writerIdOffset() + writerIdBytes + Integer.BYTES);
        }

        long rowOffset(int i) {
            return headBytes() + i * geometry.strideBytes();
        }

        long frameBytes() {
            return align(rowOffset(rowCount()));
        }
    }

    /** The head of a frame, {@code shape.headBytes()} long. */
    record Head(Shape shape, MemorySegment bytes) {

        /** Checks the checksum of the columns and the ordinals among them. */
        void validate(Path file, Crc32c crc) {
            if (shape.kind() == KIND_MARK) {
                return;
            }
            long end = shape.headBytes() - Integer.BYTES;
            int computed = crc.of(bytes, FIXED_BYTES, end - FIXED_BYTES);
            int stored = bytes.get(I32, end);
            if (computed != stored) {
                throw new CorruptSegmentException(file, position() + end, Crc32c.hex(computed), Crc32c.hex(stored));
            }
            for (int i = 1; i < (shape.ordinals() ? shape.rowCount() : 0); i++) {
                if (ordinal(i) <= ordinal(i - 1)) {
                    throw new CorruptSegmentException(
                            file,
                            position() + shape.ordinalOffset(i),
                            "an ordinal above " + ordinal(i - 1),
                            Long.toString(ordinal(i)));
                }
            }
        }

        int kind() {
            return shape.kind();
        }

        long position() {
            return bytes.get(I64, POSITION_OFFSET);
        }

        long revision() {
            return bytes.get(I64, REVISION_OFFSET);
        }

        long batchSeq() {
            return bytes.get(I64, BATCH_SEQ_OFFSET);
        }

        long firstOrdinal() {
            return bytes.get(I64, FIRST_ORDINAL_OFFSET);
        }

        String writerId() {
            byte[] id =
                    bytes.asSlice(shape.writerIdOffset(), shape.writerIdBytes()).toArray(I8);
            return new String(id, StandardCharsets.UTF_8);
        }

        /** Ordinal of the {@code i}-th row. */
        long ordinal(int i) {
            return firstOrdinal() + (shape.ordinals() ? bytes.get(I32, shape.ordinalOffset(i)) : i);
        }

        /** Id of the {@code i}-th sample. */
        long sampleId(int i) {
            return bytes.get(I64, shape.sampleIdOffset(i));
        }

        /** q of the {@code i}-th sample, [L]. */
        void squaredNorms(int i, double[] target) {
            MemorySegment.copy(bytes, F64, shape.squaredNormsOffset(i), target, 0, target.length);
        }

        /** Training step of the {@code i}-th sample; 0 if it was sent without. */
        long step(int i) {
            return shape.steps() ? bytes.get(I64, shape.stepOffset(i)) : 0;
        }

        int rowChecksum(int i) {
            return bytes.get(I32, shape.rowChecksumOffset(i));
        }
    }
}
