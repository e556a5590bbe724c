package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DirectAppendFileTest {

    private static final int[] SIZES = {
        1, 64, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 64, (4 << 20) - 64, 4 << 20, (9 << 20) + 4096 + 13
    };

    @TempDir
    private Path directory;

    @Test
    void append_anySizesInAnyOrder_isWhatTheFileHolds() throws IOException {
        long seed = System.nanoTime();
        SplittableRandom random = new SplittableRandom(seed);
        Path path = directory.resolve("file");
        byte[] expected = {};
        for (int opening = 0; opening < 3; opening++) {
            try (AppendFile file = StoreFiles.SYSTEM.appendForced(path)) {
                assertThat(file.length()).as("seed %d", seed).isEqualTo(expected.length);
                for (int i = 0; i < 5; i++) {
                    byte[] bytes = new byte[SIZES[random.nextInt(SIZES.length)]];
                    random.nextBytes(bytes);
                    file.append(pieces(bytes, random));
                    expected = concatenated(expected, bytes);
                    if (random.nextBoolean()) {
                        file.force();
                    }
                    if (random.nextInt(3) == 0) {
                        expected = Arrays.copyOf(expected, random.nextInt(expected.length + 1));
                        file.truncate(expected.length);
                    }
                    assertThat(Arrays.mismatch(Files.readAllBytes(path), expected))
                            .as("seed %d", seed)
                            .isEqualTo(-1);
                }
            }
        }
    }

    /** The bytes cut into buffers, some of them empty, some outside the heap. */
    private static ByteBuffer[] pieces(byte[] bytes, SplittableRandom random) {
        List<ByteBuffer> pieces = new ArrayList<>();
        for (int first = 0; first < bytes.length || pieces.isEmpty(); ) {
            int end = random.nextBoolean() ? bytes.length : first + random.nextInt(bytes.length - first + 1);
            ByteBuffer piece = ByteBuffer.wrap(bytes, first, end - first);
            pieces.add(
                    random.nextBoolean()
                            ? piece
                            : ByteBuffer.allocateDirect(end - first).put(piece).flip());
            first = end;
        }
        return pieces.toArray(ByteBuffer[]::new);
    }

    private static byte[] concatenated(byte[] first, byte[] second) {
        ByteArrayOutputStream both = new ByteArrayOutputStream();
        both.writeBytes(first);
        both.writeBytes(second);
        return both.toByteArray();
    }

    @Test
    void log_ofLargeGroups_comesBack() throws IOException {
        RunManifest manifest = LogFixture.manifest(
                BlockLayout.of(List.of(new Block("large", 1, 150_001), new Block("small", 1, 2))), ElementType.F32);
        RecordLog log = open(directory, manifest, StoreOptions.DEFAULT).log();
        List<Stored> all = new ArrayList<>();
        for (int seq = 1; seq <= 3; seq++) {
            // Groups of one and of two batches; groups of 0.6 and of several MB.
            BatchRecord first = batch(manifest, "writer", seq, all.size(), seq, 0, seq);
            all.addAll(expected(manifest, first));
            BatchRecord second = batch(manifest, "other", seq, all.size(), 1, 0, 10 + seq);
            all.addAll(expected(manifest, second));
            log.write(List.of(first));
            log.write(List.of(second));
        }
        log.release();

        LogFixture.Recovered recovered = open(directory, manifest, StoreOptions.DEFAULT);
        assertThat(recovered.samples()).isEqualTo(all);
        assertThat(recovered.tailsCut()).isEmpty();
        assertThat(recovered.damageCount()).isZero();
    }
}
