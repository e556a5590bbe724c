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
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
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
        StoreOptions small = options(1000, StoreFiles.SYSTEM);
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
            FaultCounts.add("cut points of the last groups", 1);
            List<BatchRecord> whole = length >= end - FrameFormat.MARK_BYTES
                    ? List.of(first, second, third)
                    : length >= middle - FrameFormat.MARK_BYTES ? List.of(first, second) : List.of(first);
            boolean atBoundary = Set.of(
                            acknowledged, middle - FrameFormat.MARK_BYTES, middle, end - FrameFormat.MARK_BYTES, end)
                    .contains(length);

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

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void recovery_aFlippedBitInAnyByte_isToldAndCostsOnlyWhatItTouches(boolean closed) throws IOException {
        StoreOptions small = options(500, StoreFiles.SYSTEM);
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 1, 0, 2);
        DeletionRecord deletion =
                new DeletionRecord(4, new long[] {first.samples().sampleIds()[0]});
        BatchRecord third = batch(MANIFEST, "other", 1, 4, 1, 0, 4);
        RecordLog log = open(directory, small).log();
        log.write(List.of(first, second));
        log.write(List.of(deletion, third));
        if (closed) {
            log.release();
        }
        List<Path> segments = files(directory);
        assertThat(segments).hasSize(2);
        List<Stored> all = concatenated(MANIFEST, first, second, third);

        for (Path segment : segments) {
            for (int position = 0; position < Files.size(segment); position++) {
                copy(directory, damaged);
                flip(damaged.resolve(segment.getFileName()), position, position % 8);
                Recovered recovered = open(damaged, small);
                List<Stored> readable = recovered.samples().stream()
                        .filter(sample -> !sample.row().isEmpty())
                        .toList();
                String place = "%s, byte %d".formatted(segment.getFileName(), position);
                assertThat(all).as(place).containsAll(readable);
                assertThat(readable.size()
                                + recovered.lostCount()
                                + (recovered.samples().size() - readable.size()))
                        .as(place)
                        .isEqualTo(all.size());
                // The last mark proves what is there anyway; the one before the second segment does not count.
                boolean mark = position >= Files.size(segment) - FrameFormat.MARK_BYTES;
                assertThat(recovered.damageCount()).as(place).isEqualTo(mark ? 0 : 1);
                boolean header = position < SegmentFormat.HEADER_BYTES;
                boolean deletionLost = recovered.deletedIds().isEmpty();
                assertThat(readable.size() == all.size() && !deletionLost)
                        .as(place)
                        .isEqualTo(mark || header);
            }
        }
    }

    @Test
    void recovery_withoutTheLastMark_cutsAFlippedBitInTheLastGroup() throws IOException {
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 1, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 1, 1, 0, 2);
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(first));
        long acknowledged = Files.size(segment(directory, 1));
        log.write(List.of(second));
        cutTo(segment(directory, 1), Files.size(segment(directory, 1)) - FrameFormat.MARK_BYTES);

        for (long position = acknowledged; position < Files.size(segment(directory, 1)); position++) {
            copy(directory, damaged);
            flip(segment(damaged, 1), (int) position, (int) (position % 8));
            // Nobody can tell this from a write that a loss of power left unfinished.
            Recovered recovered = open(damaged, OPTIONS);
            assertThat(recovered.samples()).isEqualTo(expected(MANIFEST, first));
            assertThat(recovered.tailsCut()).hasSize(1);
            assertThat(recovered.damageCount()).isZero();
        }
    }

    @Test
    void recovery_withoutTheLastMark_writesIt() throws IOException {
        BatchRecord only = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        open(directory, OPTIONS).log().write(List.of(only));
        long marked = Files.size(segment(directory, 1));
        cutTo(segment(directory, 1), marked - FrameFormat.MARK_BYTES);

        open(directory, OPTIONS);
        assertThat(Files.size(segment(directory, 1))).isEqualTo(marked);
        open(directory, OPTIONS);
        assertThat(Files.size(segment(directory, 1))).isEqualTo(marked);
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
            RecordLog log = open(target, options(1 << 20, files)).log();
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
            DurableFiles.deleteRecursively(StoreFiles.SYSTEM, target);
        }
    }

    @Test
    void write_afterAForceFailed_voidsTheWholeFrameLeftBehind() throws IOException {
        FaultyFiles files = new FaultyFiles();
        StoreOptions options = options(1 << 20, files);
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
        RecordLog log = open(directory, options(1 << 20, files)).log();
        log.write(List.of(first));
        files.failForces(true);
        files.failTruncates(true);
        assertThatIOException().isThrownBy(() -> log.write(List.of(failing)));

        // Whole, so it counts, and its number with it: the writer will not send it again.
        Recovered recovered = open(directory, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(concatenated(MANIFEST, first, failing));
        assertThat(recovered.log().recoveredBatchSeqs()).containsEntry("writer", 2L);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void startNewSegment_directoryForceFails_losesNothingThatFollows(boolean released) throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log = open(directory, options(1 << 20, files)).log();
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        BatchRecord third = batch(MANIFEST, "writer", 3, 4, 2, 0, 3);
        log.write(List.of(first));
        if (released) {
            log.release();
        }
        files.failDirectoryForces(true);
        assertThatIOException().isThrownBy(log::startNewSegment);
        copy(directory, damaged);
        assertThat(open(damaged, OPTIONS).samples()).as("stopped here").isEqualTo(expected(MANIFEST, first));
        assertThatIOException().isThrownBy(() -> log.write(List.of(second)));
        files.failDirectoryForces(false);
        log.write(List.of(second));
        log.write(List.of(third));
        log.release();

        Recovered recovered = open(directory, OPTIONS);
        assertThat(recovered.samples()).isEqualTo(concatenated(MANIFEST, first, second, third));
        assertThat(recovered.damageCount()).isZero();
        assertThat(files(directory)).hasSize(2);
    }

    @Test
    void write_whileTheDiskStaysFull_leavesNoSegmentsBehind() throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log = open(directory, options(1 << 20, files)).log();
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
    void write_failingToMark_losesNothing() throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log = open(directory, options(1 << 20, files)).log();
        BatchRecord first = batch(MANIFEST, "writer", 1, 0, 2, 0, 1);
        BatchRecord second = batch(MANIFEST, "writer", 2, 2, 2, 0, 2);
        files.limitAppends(SegmentFormat.HEADER_BYTES + frameBytes(first) + 10);
        files.failTruncates(true);
        log.write(List.of(first));
        log.release();
        files.limitAppends(FaultyFiles.UNLIMITED);
        log.write(List.of(second));
        log.release();

        assertThat(open(directory, OPTIONS).samples()).isEqualTo(concatenated(MANIFEST, first, second));
    }

    @Test
    void recovery_missingSegment_namesIt() throws IOException {
        StoreOptions small = options(100, StoreFiles.SYSTEM);
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
    void readRows_aSegmentCannotBeRead_handsOnTheOthers() throws IOException {
        StoreOptions small = options(100, StoreFiles.SYSTEM);
        RecordLog log = open(directory, small).log();
        for (int seq = 1; seq <= 3; seq++) {
            log.write(List.of(batch(MANIFEST, "writer", seq, seq - 1, 1, 0, seq)));
        }
        log.release();
        RecordLog reopened = open(directory, small).log();
        Files.delete(segment(directory, 2));
        List<Long> ordinals = new ArrayList<>();
        reopened.readRows(rows -> ordinals.add(rows.ordinal(0)));

        assertThat(ordinals).containsExactly(0L, 2L);
    }

    @Test
    void recovery_shortenedSealedSegment_losesItsEndOnly() throws IOException {
        StoreOptions small = options(100, StoreFiles.SYSTEM);
        RecordLog log = open(directory, small).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 2, 0, 1)));
        log.write(List.of(batch(MANIFEST, "writer", 2, 2, 2, 0, 2)));
        log.release();
        cutTo(segment(directory, 1), Files.size(segment(directory, 1)) - FrameFormat.MARK_BYTES - 1);

        Recovered recovered = open(directory, small);
        assertThat(recovered.damageCount()).isEqualTo(1);
        assertThat(recovered.samples().stream().map(sample -> sample.row().isEmpty()))
                .containsExactly(false, true, false, false);
        assertThat(recovered.log().recoveredBatchSeqs()).containsEntry("writer", 2L);
    }

    @ParameterizedTest
    @CsvSource({"0, FormatTooOldException", "2, FormatTooNewException"})
    void recovery_otherVersion_saysWhich(byte version, String exception) throws IOException {
        RecordLog log = open(directory, OPTIONS).log();
        log.write(List.of(batch(MANIFEST, "writer", 1, 0, 1, 0, 1)));
        log.release();
        byte[] bytes = Files.readAllBytes(segment(directory, 1));
        bytes[4] = version;
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, SegmentFormat.HEADER_BYTES - Integer.BYTES);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(SegmentFormat.HEADER_BYTES - Integer.BYTES, (int)
                crc.getValue());
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
                .isInstanceOf(ForeignFileException.class)
                .hasMessageContaining("element type");
    }

    private static StoreOptions options(long segmentBytes, StoreFiles files) {
        return new StoreOptions(segmentBytes, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, files);
    }

    private static Path segment(Path directory, long number) {
        return directory.resolve(SegmentFormat.fileName(number));
    }

    private long frameBytes(BatchRecord batch) throws IOException {
        Path scratch = Files.createTempDirectory(temporary, "size");
        RecordLog log = open(scratch, OPTIONS).log();
        // A log that begins with this batch: its number and revision do not change its size.
        log.write(List.of(batch));
        return Files.size(segment(scratch, 1)) - SegmentFormat.HEADER_BYTES - FrameFormat.MARK_BYTES;
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
