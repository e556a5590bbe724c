package io.datainf.engine.store;

import io.datainf.engine.memory.Crc32c;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * The index of a segment that is not written to any more: a copy of its header and of the heads of its frames, little-endian.
 * It spares recovery the reading of the segment, and stands in for heads that are damaged there.
 *
 * <pre>
 *   0 u32     magic "DISI"
 *   4 u32     format version
 *   8 i64     counted bytes: how much of the segment counts
 *  16 i64     head bytes: length of all heads together
 *  24 u8[36]  zero
 *  60 u32     CRC-32C of bytes 0 to 59
 *  64 u8[192] header of the segment ({@link SegmentFormat})
 * 256         heads of its batches and deletions ({@link FrameFormat}), in order, without gaps; each has its checksums
 * </pre>
 *
 * An index that is missing, damaged, or of another generation of the segment is made again from the segment.
 */
final class SegmentIndexFormat {

    static final int HEADS_OFFSET = 256;

    private static final int MAGIC = 0x49534944; // "DISI" in file order
    private static final int OLDEST_VERSION = 1;
    private static final int VERSION = 1;

    private static final int MAGIC_OFFSET = 0;
    private static final int VERSION_OFFSET = 4;
    private static final int COUNTED_BYTES_OFFSET = 8;
    private static final int HEAD_BYTES_OFFSET = 16;
    private static final int CHECKSUM_OFFSET = 60;
    private static final int SEGMENT_HEADER_OFFSET = 64;

    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private SegmentIndexFormat() {}

    /** An index in memory. */
    record Index(Path file, long countedBytes, MemorySegment segmentHeader, MemorySegment heads) {}

    static Path fileOf(Path segment) {
        String name = segment.getFileName().toString();
        return segment.resolveSibling(name.substring(0, name.lastIndexOf('.')) + ".didx");
    }

    /** Whether a file's name is that of an index. */
    static boolean named(String fileName) {
        return fileName.endsWith(".didx");
    }

    /**
     * Writes the index of a segment, whole or not at all.
     *
     * @param heads in order, outside the heap
     */
    static void write(
            StoreFiles files, Path segment, MemorySegment segmentHeader, long countedBytes, List<MemorySegment> heads)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(HEADS_OFFSET);
            header.set(I32, MAGIC_OFFSET, MAGIC);
            header.set(I32, VERSION_OFFSET, VERSION);
            header.set(I64, COUNTED_BYTES_OFFSET, countedBytes);
            header.set(
                    I64,
                    HEAD_BYTES_OFFSET,
                    heads.stream().mapToLong(MemorySegment::byteSize).sum());
            header.set(I32, CHECKSUM_OFFSET, new Crc32c().of(header, 0, CHECKSUM_OFFSET));
            MemorySegment.copy(segmentHeader, 0, header, SEGMENT_HEADER_OFFSET, SegmentFormat.HEADER_BYTES);
            ByteBuffer[] pieces = new ByteBuffer[heads.size() + 1];
            pieces[0] = header.asByteBuffer();
            for (int i = 0; i < heads.size(); i++) {
                pieces[i + 1] = heads.get(i).asByteBuffer();
            }
            DurableFiles.writeAtomically(files, fileOf(segment), pieces);
        }
    }

    /**
     * Reads the index of a segment into {@code arena}.
     *
     * @throws StoreFormatException if there is none, or it is damaged or of another version
     */
    static Index read(Path segment, Arena arena) throws IOException {
        Path file = fileOf(segment);
        if (!Files.exists(file)) {
            throw new CorruptSegmentException(file, 0, "an index", "no file");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (channel.size() < HEADS_OFFSET) {
                throw new CorruptSegmentException(file, channel.size(), "an index", "the end of the file");
            }
            MemorySegment bytes = arena.allocate(channel.size(), FrameFormat.ALIGNMENT);
            for (long done = 0; done < bytes.byteSize(); ) {
                long piece = Math.min(1 << 30, bytes.byteSize() - done);
                int count = channel.read(bytes.asSlice(done, piece).asByteBuffer(), done);
                if (count < 0) {
                    throw new CorruptSegmentException(file, done, bytes.byteSize() + " bytes", "the end of the file");
                }
                done += count;
            }
            return decode(file, bytes);
        }
    }

    private static Index decode(Path file, MemorySegment bytes) {
        FormatVersion.checkMagic(file, bytes.get(I32, MAGIC_OFFSET), MAGIC);
        FormatVersion.check(file, bytes.get(I32, VERSION_OFFSET), OLDEST_VERSION, VERSION);
        int computed = new Crc32c().of(bytes, 0, CHECKSUM_OFFSET);
        int stored = bytes.get(I32, CHECKSUM_OFFSET);
        if (stored != computed) {
            throw new CorruptSegmentException(file, CHECKSUM_OFFSET, Crc32c.hex(computed), Crc32c.hex(stored));
        }
        long headBytes = bytes.get(I64, HEAD_BYTES_OFFSET);
        if (headBytes != bytes.byteSize() - HEADS_OFFSET) {
            throw new CorruptSegmentException(
                    file, HEADS_OFFSET, headBytes + " bytes", (bytes.byteSize() - HEADS_OFFSET) + " bytes");
        }
        MemorySegment segmentHeader = bytes.asSlice(SEGMENT_HEADER_OFFSET, SegmentFormat.HEADER_BYTES);
        SegmentFormat.requireSound(file, segmentHeader);
        return new Index(file, bytes.get(I64, COUNTED_BYTES_OFFSET), segmentHeader, bytes.asSlice(HEADS_OFFSET));
    }

    /**
     * Splits the heads of an index, each validated.
     *
     * @throws CorruptSegmentException if one is damaged
     */
    static List<FrameFormat.Head> heads(Index index, RowGeometry geometry) {
        Crc32c crc = new Crc32c();
        List<FrameFormat.Head> heads = new ArrayList<>();
        for (long offset = 0; offset < index.heads().byteSize(); ) {
            long position = HEADS_OFFSET + offset;
            MemorySegment rest = index.heads().asSlice(offset);
            if (rest.byteSize() < FrameFormat.FIXED_BYTES
                    || !FrameFormat.isFrameAt(FrameFormat.position(rest), rest, crc)) {
                throw new CorruptSegmentException(index.file(), position, "the head of a frame", "something else");
            }
            FrameFormat.Shape shape = FrameFormat.shape(index.file(), position, rest, geometry);
            if (shape.headBytes() > rest.byteSize()) {
                throw new CorruptSegmentException(
                        index.file(), position, shape.headBytes() + " bytes", "the end of the file");
            }
            FrameFormat.Head head = new FrameFormat.Head(shape, rest.asSlice(0, shape.headBytes()));
            head.validate(index.file(), crc);
            heads.add(head);
            offset += shape.headBytes();
        }
        return heads;
    }
}
