package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.store.LogFixture.Recovered;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that version 1 wrote once, kept in src/test/resources/store-v1: whatever comes, they can be read. */
class FormatVersion1Test {

    private static final StoreOptions OPTIONS =
            new StoreOptions(100, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, StoreFiles.SYSTEM);

    @TempDir
    private Path temporary;

    private Path run;

    @BeforeEach
    void copyFixture() throws IOException, URISyntaxException {
        run = temporary.resolve("run");
        LogFixture.copy(
                Path.of(Objects.requireNonNull(getClass().getResource("/store-v1"))
                        .toURI()),
                run);
    }

    /**
     * What the fixture holds: a compacted segment in place of two, with its index; a full one with its index; the current one.
     * The fixture was written by this, with compaction of the rows 0 and 4.
     */
    private static List<List<LogRecord>> groups() {
        return List.of(
                List.of(batch(MANIFEST, "writer", 1, 0, 3, 0, 1)),
                List.of(batch(MANIFEST, "other", 1, 3, 2, 0, 2), new DeletionRecord(6, new long[] {2000})),
                List.of(batch(MANIFEST, "writer", 2, 6, 2, 0, 4)),
                List.of(batch(MANIFEST, "other", 2, 8, 1, 0, 3)));
    }

    /** Writes the fixture: {@code java ... FormatVersion1Test DIRECTORY}. */
    public static void main(String[] arguments) throws IOException {
        write(Path.of(arguments[0]));
    }

    private static void write(Path directory) throws IOException {
        DurableFiles.writeAtomically(
                StoreFiles.SYSTEM, directory.resolve(ManifestFormat.FILE_NAME), ManifestFormat.encode(MANIFEST));
        RecordLog log = open(directory, OPTIONS).log();
        for (List<LogRecord> group : groups()) {
            log.write(group);
        }
        log.release();
        log.indexFullSegments();
        log.compact(
                log.fullSegments().subList(0, 2),
                ordinal -> ordinal == 0 || ordinal == 4,
                new CompactionPace(Long.MAX_VALUE, () -> false));
    }

    @Test
    void fixture_isRead() throws IOException {
        assertThat(ManifestFormat.read(run.resolve(ManifestFormat.FILE_NAME))).isEqualTo(MANIFEST);
        List<Stored> samples = new ArrayList<>();
        for (List<LogRecord> group : groups()) {
            samples.addAll(expected(MANIFEST, (BatchRecord) group.getFirst()));
        }
        samples.remove(4);
        samples.remove(0);

        Recovered recovered = open(run, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(samples);
        assertThat(recovered.deletedIds()).containsExactly(2000L);
        assertThat(recovered.damageCount()).isZero();
        assertThat(recovered.log().recoveredRevision()).isEqualTo(9);
        assertThat(recovered.log().recoveredBatchSeqs()).isEqualTo(Map.of("writer", 2L, "other", 2L));
        assertThat(recovered.log().compactTimeMillis()).isPositive();
        // And written to.
        recovered.log().write(List.of(batch(MANIFEST, "writer", 3, 9, 1, 0, 5)));
        assertThat(open(run, OPTIONS).samples()).hasSize(samples.size() + 1);
    }

    @Test
    void fixture_writtenNow_isTheSame() throws IOException {
        Path now = Files.createDirectory(temporary.resolve("now"));
        write(now);
        for (Path file : LogFixture.files(run)) {
            byte[] written = Files.readAllBytes(now.resolve(file.getFileName()));
            byte[] kept = Files.readAllBytes(file);
            if (file.getFileName().toString().startsWith("segment-0000000002")) {
                // The time of compaction and the checksum behind it differ.
                assertThat(written).hasSameSizeAs(kept);
            } else {
                assertThat(written).as(file.toString()).isEqualTo(kept);
            }
        }
    }
}
