package io.datainf.engine.store;

import io.datainf.engine.memory.Crc32c;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The header of a segment file, {@value #HEADER_BYTES} bytes, little-endian; frames follow ({@link FrameFormat}):
 *
 * <pre>
 *   0 u32     magic "DISG"
 *   4 u32     format version
 *   8 u32     header bytes
 *  12 u32     stored element type: 1 = F32, 2 = BF16
 *  16 u64 u64 instance of the run, from its manifest
 *  32 u8[32]  layout hash, SHA-256
 *  64 i64     row bytes
 *  72 i64     row stride in bytes
 *  80 i64     number of the segment, from 1
 *  88 i64     previous bytes: how many bytes of the segment before count; 0 for the first
 *  96 i64     first ordinal: rows in the segments before
 * 104 i64     first revision: revision of the run before the first frame
 * 112 i64     first number: the first of the segments that this one replaces; its own number unless compacted
 * 120 i64     generation: how often it was compacted
 * 128 i64     file bytes: length of a compacted segment; 0 if not compacted
 * 136 i64     compaction time, milliseconds since 1970; 0 if not compacted
 * 144 u8[44]  zero
 * 188 u32     CRC-32C of bytes 0 to 187
 * </pre>
 *
 * A segment whose write failed may end in frames that were never acknowledged. They are void once a further segment exists,
 * because its {@code previous bytes} leave them out. Of a compacted segment, written at once, all counts.
 */
final class SegmentFormat {

    static final int HEADER_BYTES = 192;

    private static final int MAGIC = 0x47534944; // "DISG" in file order
    private static final int OLDEST_VERSION = 1;
    private static final int VERSION = 1;

    private static final int MAGIC_OFFSET = 0;
    private static final int VERSION_OFFSET = 4;
    private static final int HEADER_BYTES_OFFSET = 8;
    private static final int ELEMENT_TYPE_OFFSET = 12;
    private static final int INSTANCE_OFFSET = 16;
    private static final int LAYOUT_HASH_OFFSET = 32;
    private static final int ROW_BYTES_OFFSET = 64;
    private static final int ROW_STRIDE_OFFSET = 72;
    private static final int NUMBER_OFFSET = 80;
    private static final int PREVIOUS_BYTES_OFFSET = 88;
    private static final int FIRST_ORDINAL_OFFSET = 96;
    private static final int FIRST_REVISION_OFFSET = 104;
    private static final int FIRST_NUMBER_OFFSET = 112;
    private static final int GENERATION_OFFSET = 120;
    private static final int FILE_BYTES_OFFSET = 128;
    private static final int COMPACTION_TIME_OFFSET = 136;
    private static final int CHECKSUM_OFFSET = 188;

    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final Pattern FILE_NAME = Pattern.compile("segment-([0-9]{10,18})\\.dseg");

    private SegmentFormat() {}

    /** What a header says beyond what the manifest says already. */
    record Header(
            long number,
            long previousBytes,
            long firstOrdinal,
            long firstRevision,
            @Nullable Compaction compaction) {

        /** The first segment that this one stands for. */
        long firstNumber() {
            return compaction == null ? number : compaction.firstNumber();
        }
    }

    /** How a segment came about that replaces others. */
    record Compaction(long firstNumber, long generation, long fileBytes, long timeMillis) {}

    static String fileName(long number) {
        return "segment-%010d.dseg".formatted(number);
    }

    /** The number in a segment's file name, or 0 for another file. */
    static long numberOf(String fileName) {
        Matcher matcher = FILE_NAME.matcher(fileName);
        return matcher.matches() ? Long.parseLong(matcher.group(1)) : 0;
    }

    static void encode(Header header, RunManifest manifest, RowGeometry geometry, MemorySegment target) {
        target.asSlice(0, HEADER_BYTES).fill((byte) 0);
        target.set(I32, MAGIC_OFFSET, MAGIC);
        target.set(I32, VERSION_OFFSET, VERSION);
        encodeRunFields(manifest, geometry, target);
        target.set(I64, NUMBER_OFFSET, header.number());
        target.set(I64, PREVIOUS_BYTES_OFFSET, header.previousBytes());
        target.set(I64, FIRST_ORDINAL_OFFSET, header.firstOrdinal());
        target.set(I64, FIRST_REVISION_OFFSET, header.firstRevision());
        target.set(I64, FIRST_NUMBER_OFFSET, header.firstNumber());
        Compaction compaction = header.compaction();
        if (compaction != null) {
            target.set(I64, GENERATION_OFFSET, compaction.generation());
            target.set(I64, FILE_BYTES_OFFSET, compaction.fileBytes());
            target.set(I64, COMPACTION_TIME_OFFSET, compaction.timeMillis());
        }
        target.set(I32, CHECKSUM_OFFSET, new Crc32c().of(target, 0, CHECKSUM_OFFSET));
    }

    private static void encodeRunFields(RunManifest manifest, RowGeometry geometry, MemorySegment target) {
        UUID instance = manifest.instance();
        target.set(I32, HEADER_BYTES_OFFSET, HEADER_BYTES);
        target.set(I32, ELEMENT_TYPE_OFFSET, ElementTypeCode.of(manifest.storedType()));
        target.set(I64, INSTANCE_OFFSET, instance.getMostSignificantBits());
        target.set(I64, INSTANCE_OFFSET + Long.BYTES, instance.getLeastSignificantBits());
        byte[] hash = HexFormat.of().parseHex(manifest.layout().hash());
        MemorySegment.copy(hash, 0, target, ValueLayout.JAVA_BYTE, LAYOUT_HASH_OFFSET, hash.length);
        target.set(I64, ROW_BYTES_OFFSET, geometry.rowBytes());
        target.set(I64, ROW_STRIDE_OFFSET, geometry.strideBytes());
    }

    /**
     * Checks magic, version and checksum of a header.
     *
     * @throws StoreFormatException if it is damaged or of another version
     */
    static void requireSound(Path file, MemorySegment source) {
        FormatVersion.checkMagic(file, source.get(I32, MAGIC_OFFSET), MAGIC);
        int version = source.get(I32, VERSION_OFFSET);
        MemorySegment ours = MemorySegment.ofArray(new byte[HEADER_BYTES]).copyFrom(source.asSlice(0, HEADER_BYTES));
        ours.set(I32, VERSION_OFFSET, VERSION);
        int stored = source.get(I32, CHECKSUM_OFFSET);
        boolean versionFlipped = version != VERSION && stored == new Crc32c().of(ours, 0, CHECKSUM_OFFSET);
        if (!versionFlipped) {
            // What another version keeps where is its own affair.
            FormatVersion.check(file, version, OLDEST_VERSION, VERSION);
        }
        int computed = new Crc32c().of(source, 0, CHECKSUM_OFFSET);
        if (stored != computed) {
            throw new CorruptSegmentException(file, CHECKSUM_OFFSET, Crc32c.hex(computed), Crc32c.hex(stored));
        }
    }

    /**
     * Decodes a sound header.
     *
     * @throws ForeignFileException if it belongs to another run
     */
    static Header decode(Path file, MemorySegment source, RunManifest manifest, RowGeometry geometry) {
        requireSameRun(file, source, manifest, geometry);
        long generation = source.get(I64, GENERATION_OFFSET);
        Compaction compaction = generation == 0
                ? null
                : new Compaction(
                        source.get(I64, FIRST_NUMBER_OFFSET),
                        generation,
                        source.get(I64, FILE_BYTES_OFFSET),
                        source.get(I64, COMPACTION_TIME_OFFSET));
        return new Header(
                source.get(I64, NUMBER_OFFSET),
                source.get(I64, PREVIOUS_BYTES_OFFSET),
                source.get(I64, FIRST_ORDINAL_OFFSET),
                source.get(I64, FIRST_REVISION_OFFSET),
                compaction);
    }

    private static void requireSameRun(Path file, MemorySegment source, RunManifest manifest, RowGeometry geometry) {
        MemorySegment expected = MemorySegment.ofArray(new byte[HEADER_BYTES]);
        encodeRunFields(manifest, geometry, expected);
        requireSame(file, "the header size", source, expected, HEADER_BYTES_OFFSET, ELEMENT_TYPE_OFFSET);
        requireSame(file, "the manifest's element type", source, expected, ELEMENT_TYPE_OFFSET, INSTANCE_OFFSET);
        requireSame(file, "the manifest's instance", source, expected, INSTANCE_OFFSET, LAYOUT_HASH_OFFSET);
        requireSame(file, "the manifest's layout hash", source, expected, LAYOUT_HASH_OFFSET, ROW_BYTES_OFFSET);
        requireSame(file, "the layout's row size and stride", source, expected, ROW_BYTES_OFFSET, NUMBER_OFFSET);
    }

    private static void requireSame(
            Path file, String what, MemorySegment source, MemorySegment expected, int from, int to) {
        if (MemorySegment.mismatch(source, from, to, expected, from, to) >= 0) {
            throw new ForeignFileException(file, from, what + " " + hex(expected, from, to), hex(source, from, to));
        }
    }

    private static String hex(MemorySegment segment, int from, int to) {
        return HexFormat.of().formatHex(segment.asSlice(from, to - from).toArray(ValueLayout.JAVA_BYTE));
    }
}
