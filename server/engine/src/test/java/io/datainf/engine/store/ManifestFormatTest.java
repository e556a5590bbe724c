package io.datainf.engine.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ManifestFormatTest {

    private static final RunManifest MANIFEST = new RunManifest(
            "run-1",
            new UUID(-5, 7),
            Instant.ofEpochSecond(1_700_000_000, 123_456_789),
            BlockLayout.of(List.of(new Block("größe", 4, 384), new Block("€uro", 1, 1))),
            ElementType.BF16,
            0.25,
            "步 3",
            Map.of("k", "v", "", "é"));

    @TempDir
    private Path directory;

    @Test
    void encode_readBack_isEqual() throws IOException {
        assertThat(ManifestFormat.read(written(encoded()))).isEqualTo(MANIFEST);
    }

    @Test
    void read_anyBitFlipped_isRefused() throws IOException {
        byte[] bytes = encoded();
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            Path file = written(flipped);
            FaultCounts.add("flipped bits", 1);
            assertThatThrownBy(() -> ManifestFormat.read(file))
                    .as("bit %d", bit)
                    .isInstanceOf(StoreFormatException.class)
                    .hasMessageContaining(file.toString());
        }
    }

    @Test
    void read_cutAnywhere_isRefused() throws IOException {
        byte[] bytes = encoded();
        for (int length = 0; length < bytes.length; length++) {
            Path file = written(Arrays.copyOf(bytes, length));
            assertThatThrownBy(() -> ManifestFormat.read(file))
                    .as("cut at %d", length)
                    .isInstanceOf(CorruptSegmentException.class);
        }
    }

    @Test
    void read_otherVersions_areToldApart() throws IOException {
        byte[] bytes = encoded();
        bytes[4] = 0;
        Path old = written(bytes);
        assertThatThrownBy(() -> ManifestFormat.read(old))
                .isInstanceOf(FormatTooOldException.class)
                .hasMessageContaining("expected version 1 or newer, found version 0");
        bytes[4] = 9;
        Path fresh = written(bytes);
        assertThatThrownBy(() -> ManifestFormat.read(fresh))
                .isInstanceOf(FormatTooNewException.class)
                .hasMessageContaining("expected version 1 or older, found version 9");
    }

    private static byte[] encoded() {
        ByteBuffer buffer = ManifestFormat.encode(MANIFEST);
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private Path written(byte[] bytes) throws IOException {
        return Files.write(directory.resolve("manifest"), bytes);
    }
}
