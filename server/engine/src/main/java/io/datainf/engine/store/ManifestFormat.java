package io.datainf.engine.store;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.Crc32c;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * The file {@code manifest} of a run, little-endian; a string is u32 byte count and UTF-8:
 *
 * <pre>
 * u32     magic "DIMF"
 * u32     format version
 * string  run id
 * u64 u64 instance, most significant half first
 * i64 u32 creation time, seconds since 1970 and nanoseconds
 * u32     stored element type: 1 = F32, 2 = BF16
 * f64     damping scale
 * string  checkpoint
 * u32     label count, then {string key, string value} by key
 * u32     block count, then {string name, u32 rows, u32 columns} in layout order
 * u32     CRC-32C of all bytes before
 * </pre>
 */
final class ManifestFormat {

    static final String FILE_NAME = "manifest";

    private static final int MAGIC = 0x464d4944; // "DIMF" in file order
    private static final int VERSION_OFFSET = 4;
    private static final int OLDEST_VERSION = 1;
    private static final int VERSION = 1;
    private static final int FIXED_BYTES = 128;
    private static final int UTF8_BYTES_PER_CHAR = 3;

    private ManifestFormat() {}

    static ByteBuffer encode(RunManifest manifest) {
        Instant created = manifest.createTime();
        ByteBuffer buffer = ByteBuffer.allocate(greatestSize(manifest)).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(MAGIC).putInt(VERSION);
        putString(buffer, manifest.runId());
        buffer.putLong(manifest.instance().getMostSignificantBits())
                .putLong(manifest.instance().getLeastSignificantBits())
                .putLong(created.getEpochSecond())
                .putInt(created.getNano())
                .putInt(ElementTypeCode.of(manifest.storedType()))
                .putDouble(manifest.dampingScale());
        putString(buffer, manifest.checkpoint());
        buffer.putInt(manifest.labels().size());
        manifest.labels().keySet().stream().sorted().forEach(key -> {
            putString(buffer, key);
            putString(buffer, manifest.labels().getOrDefault(key, ""));
        });
        buffer.putInt(manifest.layout().blockCount());
        for (Block block : manifest.layout().blocks()) {
            putString(buffer, block.name());
            buffer.putInt(block.rows()).putInt(block.columns());
        }
        return buffer.putInt(checksum(buffer.array(), buffer.position())).flip();
    }

    static RunManifest read(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int bodyBytes = bytes.length - Integer.BYTES;
        if (bodyBytes < VERSION_OFFSET + Integer.BYTES) {
            throw new CorruptSegmentException(file, bytes.length, "a manifest", "the end of the file");
        }
        FormatVersion.checkMagic(file, buffer.getInt(), MAGIC);
        FormatVersion.check(file, buffer.getInt(), OLDEST_VERSION, VERSION);
        int stored = buffer.getInt(bodyBytes);
        int computed = checksum(bytes, bodyBytes);
        if (stored != computed) {
            throw new CorruptSegmentException(file, bodyBytes, Crc32c.hex(computed), Crc32c.hex(stored));
        }
        try {
            return decode(buffer);
        } catch (BufferUnderflowException | IllegalArgumentException | DateTimeException e) {
            throw new CorruptSegmentException(file, buffer.position(), "a field of a manifest", e.toString());
        }
    }

    private static RunManifest decode(ByteBuffer buffer) {
        String runId = getString(buffer);
        UUID instance = new UUID(buffer.getLong(), buffer.getLong());
        Instant createTime = Instant.ofEpochSecond(buffer.getLong(), buffer.getInt());
        ElementType storedType = ElementTypeCode.typeOf(buffer.getInt());
        double dampingScale = buffer.getDouble();
        String checkpoint = getString(buffer);
        Map<String, String> labels = new HashMap<>();
        for (int remaining = buffer.getInt(); remaining > 0; remaining--) {
            labels.put(getString(buffer), getString(buffer));
        }
        List<Block> blocks = new ArrayList<>();
        for (int remaining = buffer.getInt(); remaining > 0; remaining--) {
            blocks.add(new Block(getString(buffer), buffer.getInt(), buffer.getInt()));
        }
        return new RunManifest(
                runId, instance, createTime, BlockLayout.of(blocks), storedType, dampingScale, checkpoint, labels);
    }

    private static int greatestSize(RunManifest manifest) {
        long chars = (long) manifest.runId().length() + manifest.checkpoint().length();
        for (Map.Entry<String, String> label : manifest.labels().entrySet()) {
            chars += label.getKey().length() + label.getValue().length();
        }
        for (Block block : manifest.layout().blocks()) {
            chars += block.name().length();
        }
        long fields = 2L * manifest.labels().size() + 3L * manifest.layout().blockCount();
        return Math.toIntExact(FIXED_BYTES + chars * UTF8_BYTES_PER_CHAR + fields * Integer.BYTES);
    }

    private static void putString(ByteBuffer buffer, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        buffer.putInt(bytes.length).put(bytes);
    }

    private static String getString(ByteBuffer buffer) {
        int length = buffer.getInt();
        if (length < 0 || length > buffer.remaining()) {
            throw new BufferUnderflowException();
        }
        byte[] bytes = new byte[length];
        buffer.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static int checksum(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }
}
