package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.copy;
import static io.datainf.engine.store.LogFixture.cutTo;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.files;
import static io.datainf.engine.store.LogFixture.flip;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.LogFixture.Recovered;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecordLogTest {

    private static final StoreOptions OPTIONS = StoreOptions.DEFAULT;

    @TempDir
    private Path temporary;

    private Path directory;
    private Path damaged;

    @BeforeEach
    void createDirectories() throws IOException {
        directory = Files.createDirectory(temporary.resolve("run"));
        damaged = temporary.resolve("damaged");
    }

    @ParameterizedTest
    @CsvSource({"1, F32", "3, F32", "3, BF16", "1024, F32", "1100, F32", "2049, BF16"})
    void write_reopened_bringsBackEveryStoredSample(int dimension, ElementType type) throws IOException {
        BlockLayout layout = BlockLayout.of(List.of(new Block("block", 1, dimension)));
        RunManifest manifest = LogFixture.manifest(layout, type);
        BatchRecord first = batch(manifest, "writer", 1, 0, 5, 0, 1);
        BatchRecord second = batch(manifest, "other", 1, 5, 7, 3, 2);
        BatchRecord third = batch(manifest, "writer", 2, second.revision(), 1, 0, 3);

        RecordLog log = open(directory, manifest, OPTIONS).log();
        log.write(List.of(first, second));
        log.release();
        log.write(List.of(third));
        log.release();

        List<Stored> all = concatenated(manifest, first, second, third);
        Recovered recovered = open(directory, manifest, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(all);
        assertThat(recovered.tailsCut()).isEmpty();
        assertThat(recovered.log().recoveredBatchSeqs()).containsOnly(Map.entry("writer", 2L), Map.entry("other", 1L));
    }

    @Test
    void write_batchWithoutStoredSamples_makesItsNumberDurable() throws IOException {
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 4, 1, 1)));
        log.release();

        Recovered recovered = open(directory, OPTIONS);
        assertThat(recovered.samples()).isEmpty();
        assertThat(recovered.log().recoveredBatchSeqs()).containsEntry("writer", 1L);
    }

    @Test
    void write_beyondTheSegmentSize_startsAnotherSegment() throws IOException {
        StoreOptions small = new StoreOptions(1000, 1 << 20, AppendFile::open);
        List<BatchRecord> batches = new ArrayList<>();
        RecordLog log = open(directory, small).log();
        for (int seq = 1; seq <= 12; seq++) {
            batches.add(batch(MANIFEST, "writer", seq, (seq - 1) * 3L, 3, 0, seq));
            log.write(List.of(batches.getLast()));
        }
        log.release();

        assertThat(files(directory)).hasSizeBetween(4, 8);
        assertThat(open(directory, small).samples()).isEqualTo(concatenated(MANIFEST, batches));
    }

    @Test
    void recovery_afterKillAtEachByteOfTheLastGroup_keepsWhatWasAcknowledged() throws IOException {
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        BatchRecord third = batch(MANIFEST, "writer", 3, 4, 3, 2, 3);
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(first));
        long acknowledged = Files.size(segment(directory, 1));
        log.write(List.of(second));
        long middle = Files.size(segment(directory, 1));
        log.write(List.of(third));
        long end = Files.size(segment(directory, 1));

        for (long length = acknowledged; length <= end; length++) {
            copy(directory, damaged);
            cutTo(segment(damaged, 1), length);
            List<BatchRecord> whole = length == end
                    ? List.of(first, second, third)
                    : length >= middle ? List.of(first, second) : List.of(first);
            boolean atBoundary = length == acknowledged || length == middle || length == end;

            Recovered recovered = open(damaged, OPTIONS);
            assertThat(recovered.samples()).as("cut at %d", length).isEqualTo(concatenated(MANIFEST, whole));
            assertThat(recovered.tailsCut()).as("cut at %d", length).hasSize(atBoundary ? 0 : 1);

            // The writer sends again what was not acknowledged.
            List<BatchRecord> rest = List.of(first, second, third).subList(whole.size(), 3);
            if (!rest.isEmpty()) {
                recovered.log().write(rest);
                recovered.log().release();
            }
            assertThat(open(damaged, OPTIONS).samples())
                    .as("cut at %d, written again", length)
                    .isEqualTo(concatenated(MANIFEST, first, second, third));
        }
    }

    @Test
    void recovery_afterCleanClose_detectsAFlippedBitInEveryByte() throws IOException {
        StoreOptions small = new StoreOptions(500, 1 << 20, AppendFile::open);
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 1, 0, 2);
        BatchRecord third = batch(MANIFEST, "other", 1, 3, 1, 0, 4);
        RecordLog log = open(directory, small).log();
        log.write(List.of(first, second));
        log.write(List.of(third));
        log.release();
        List<Path> segments = files(directory);
        assertThat(segments).hasSize(2);
        long sealPosition = Files.size(segments.getLast()) - FrameFormat.sealBytes();

        for (Path segment : segments) {
            boolean last = segment.equals(segments.getLast());
            for (int position = 0; position < Files.size(segment); position++) {
                copy(directory, damaged);
                flip(damaged.resolve(segment.getFileName()), position, position % 8);
                if (last && position >= sealPosition) {
                    // The seal itself holds no samples.
                    assertThat(open(damaged, small).samples()).isEqualTo(concatenated(MANIFEST, first, second, third));
                } else {
                    assertThatThrownBy(() -> open(damaged, small))
                            .as("%s, byte %d", segment.getFileName(), position)
                            .isInstanceOf(StoreFormatException.class)
                            .hasMessageContaining(segment.getFileName().toString())
                            .hasMessageContaining("expected")
                            .hasMessageContaining("found");
                }
            }
        }
    }

    @Test
    void recovery_afterKill_detectsAFlippedBitInEveryByteButTheLastGroup() throws IOException {
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 1, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 1, 1, 0, 2);
        BatchRecord third = batch(MANIFEST, "writer", 3, 2, 1, 0, 3);
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(first));
        log.write(List.of(second));
        long acknowledged = Files.size(segment(directory, 1));
        log.write(List.of(third));

        for (int position = 0; position < Files.size(segment(directory, 1)); position++) {
            copy(directory, damaged);
            flip(segment(damaged, 1), position, position % 8);
            if (position < acknowledged) {
                assertThatThrownBy(() -> open(damaged, OPTIONS))
                        .as("byte %d", position)
                        .isInstanceOf(StoreFormatException.class);
            } else {
                // Nobody can tell this from a write that a loss of power left unfinished.
                assertThat(open(damaged, OPTIONS).samples()).isEqualTo(concatenated(MANIFEST, first, second));
            }
        }
    }

    @Test
    void recovery_afterAnUncleanStop_sealsWhatItFound() throws IOException {
        BatchRecord only = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        open(directory, OPTIONS).log().write(List.of(only));
        long killedAt = Files.size(segment(directory, 1));

        open(directory, OPTIONS);
        assertThat(Files.size(segment(directory, 1))).isEqualTo(killedAt + FrameFormat.sealBytes());
        open(directory, OPTIONS);
        assertThat(Files.size(segment(directory, 1))).isEqualTo(killedAt + FrameFormat.sealBytes());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void write_afterAWriteFailedAtAnyByte_isThereOnce(boolean tailStays) throws IOException {
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 1, 0, 1);
        BatchRecord failing = batch(MANIFEST, "writer", 2, 1, 1, 0, 2);
        BatchRecord again = batch(MANIFEST, "writer", 2, 1, 1, 0, 4);
        long frameBytes = frameBytes(failing);
        for (long bytes = 0; bytes < frameBytes; bytes += tailStays ? 1 : 13) {
            Path target = Files.createDirectory(temporary.resolve("at-" + bytes));
            FaultyFiles files = new FaultyFiles();
            RecordLog log =
                    open(target, new StoreOptions(1 << 20, 1 << 20, files)).log();
            log.write(List.of(first));
            files.failTruncates(tailStays);
            files.limitAppends(bytes);
            assertThatIOException().isThrownBy(() -> log.write(List.of(failing)));
            files.limitAppends(FaultyFiles.UNLIMITED);
            log.write(List.of(again));
            log.release();

            assertThat(open(target, OPTIONS).samples())
                    .as("failed after %d bytes", bytes)
                    .isEqualTo(concatenated(MANIFEST, first, again));
            DurableFiles.deleteRecursively(target);
        }
    }

    @Test
    void write_afterAForceFailed_voidsTheWholeFrameLeftBehind() throws IOException {
        FaultyFiles files = new FaultyFiles();
        StoreOptions options = new StoreOptions(1 << 20, 1 << 20, files);
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord failing = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        BatchRecord again = batch(MANIFEST, "writer", 2, 2, 3, 0, 4);
        RecordLog log = open(directory, options).log();
        log.write(List.of(first));
        long acknowledged = Files.size(segment(directory, 1));
        files.failForces(true);
        files.failTruncates(true);
        assertThatIOException().isThrownBy(() -> log.write(List.of(failing)));
        files.failForces(false);
        long abandonedAt = Files.size(segment(directory, 1));
        log.write(List.of(again));
        log.release();

        assertThat(abandonedAt).isEqualTo(acknowledged + frameBytes(failing));
        assertThat(Files.size(segment(directory, 1))).as("not written again").isEqualTo(abandonedAt);
        Recovered recovered = open(directory, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(concatenated(MANIFEST, first, again));
        assertThat(recovered.log().recoveredBatchSeqs()).containsEntry("writer", 2L);
    }

    @Test
    void recovery_afterAForceFailedAndNothingFollowed_findsTheBatchOnceOrNotAtAll() throws IOException {
        FaultyFiles files = new FaultyFiles();
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord failing = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        RecordLog log =
                open(directory, new StoreOptions(1 << 20, 1 << 20, files)).log();
        log.write(List.of(first));
        files.failForces(true);
        files.failTruncates(true);
        assertThatIOException().isThrownBy(() -> log.write(List.of(failing)));

        // Whole, so it counts, and its number with it: the writer will not send it again.
        Recovered recovered = open(directory, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(concatenated(MANIFEST, first, failing));
        assertThat(recovered.log().recoveredBatchSeqs()).containsEntry("writer", 2L);
    }

    @Test
    void write_whileTheDiskStaysFull_leavesNoSegmentsBehind() throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log =
                open(directory, new StoreOptions(1 << 20, 1 << 20, files)).log();
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        for (int attempt = 0; attempt < 5; attempt++) {
            files.limitAppends(attempt % 2 == 0 ? 10 : SegmentFormat.HEADER_BYTES + 10);
            assertThatIOException().isThrownBy(() -> log.write(List.of(first)));
        }
        files.failOpens(true);
        assertThatIOException().isThrownBy(() -> log.write(List.of(first)));
        files.failOpens(false);
        files.limitAppends(FaultyFiles.UNLIMITED);
        log.write(List.of(first));
        log.release();

        assertThat(files(directory)).hasSize(1);
        assertThat(open(directory, OPTIONS).samples()).isEqualTo(expected(MANIFEST, first));
    }

    @Test
    void release_failingToSeal_losesNothing() throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log =
                open(directory, new StoreOptions(1 << 20, 1 << 20, files)).log();
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        log.write(List.of(first));
        files.limitAppends(10);
        files.failTruncates(true);
        log.release();
        files.limitAppends(FaultyFiles.UNLIMITED);
        log.write(List.of(second));
        log.release();

        assertThat(open(directory, OPTIONS).samples()).isEqualTo(concatenated(MANIFEST, first, second));
    }

    @Test
    void recovery_missingSegment_namesIt() throws IOException {
        StoreOptions small = new StoreOptions(100, 1 << 20, AppendFile::open);
        RecordLog log = open(directory, small).log();
        for (int seq = 1; seq <= 3; seq++) {
            log.write(List.of(batch(MANIFEST, "writer", seq, seq - 1, 1, 0, seq)));
        }
        log.release();
        // With room for a batch each, the segments' sizes are above the limit after every write.
        assertThat(files(directory)).hasSize(3);
        Files.delete(segment(directory, 2));

        assertThatThrownBy(() -> open(directory, small))
                .isInstanceOf(CorruptSegmentException.class)
                .hasMessageContaining("segment-0000000002.dseg")
                .hasMessageContaining("no file");
    }

    @Test
    void recovery_shortenedSealedSegment_isRefused() throws IOException {
        StoreOptions small = new StoreOptions(100, 1 << 20, AppendFile::open);
        RecordLog log = open(directory, small).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 2, 0, 1)));
        log.write(List.of(batch(MANIFEST, "writer", 2, 2, 2, 0, 2)));
        log.release();
        cutTo(segment(directory, 1), Files.size(segment(directory, 1)) - 1);

        assertThatThrownBy(() -> open(directory, small))
                .isInstanceOf(CorruptSegmentException.class)
                .hasMessageContaining("segment-0000000001.dseg");
    }

    @ParameterizedTest
    @CsvSource({"0, FormatTooOldException", "2, FormatTooNewException"})
    void recovery_otherVersion_saysWhich(byte version, String exception) throws IOException {
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 1, 0, 1)));
        log.release();
        byte[] bytes = Files.readAllBytes(segment(directory, 1));
        bytes[4] = version;
        Files.write(segment(directory, 1), bytes);

        assertThatThrownBy(() -> open(directory, OPTIONS))
                .satisfies(e -> assertThat(e.getClass().getSimpleName()).isEqualTo(exception))
                .hasMessageContaining("found version " + version);
    }

    @Test
    void recovery_segmentOfAnotherRun_isRefused() throws IOException {
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 1, 0, 1)));
        log.release();

        RunManifest other = LogFixture.manifest(LogFixture.LAYOUT, ElementType.BF16);
        assertThatThrownBy(() -> open(directory, other, OPTIONS))
                .isInstanceOf(CorruptSegmentException.class)
                .hasMessageContaining("element type");
    }

    private static Path segment(Path directory, long number) {
        return directory.resolve(SegmentFormat.fileName(number));
    }

    private long frameBytes(BatchRecord batch) throws IOException {
        Path scratch = Files.createTempDirectory(temporary, "size");
        RecordLog log = open(scratch, OPTIONS).log();
        // A log that begins with this batch: its number and revision do not change its size.
        log.write(List.of(batch));
        return Files.size(segment(scratch, 1)) - SegmentFormat.HEADER_BYTES;
    }

    private static List<Stored> concatenated(RunManifest manifest, BatchRecord... batches) {
        return concatenated(manifest, List.of(batches));
    }

    private static List<Stored> concatenated(RunManifest manifest, List<BatchRecord> batches) {
        return batches.stream()
                .flatMap(batch -> expected(manifest, batch).stream())
                .toList();
    }
}
