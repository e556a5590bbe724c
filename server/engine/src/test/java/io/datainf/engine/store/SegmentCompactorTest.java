package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.copy;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.flip;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.LogFixture.Recovered;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SegmentCompactorTest {

    private static final int SEGMENTS = 4;
    private static final int ROWS = 3;
    private static final CompactionPace PACE = new CompactionPace(Long.MAX_VALUE, () -> false);
    // All of the first segment, some of the second, none of the third.
    private static final Set<Integer> DEAD = Set.of(0, 1, 2, 4);
    private static final IntPredicate IS_DEAD = DEAD::contains;

    @TempDir
    private Path temporary;

    private Path directory;
    private Path copied;
    private final List<Stored> all = new ArrayList<>();
    private final List<Stored> live = new ArrayList<>();

    private static StoreOptions options(StoreFiles files) {
        return new StoreOptions(100, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, files);
    }

    @BeforeEach
    void writeSegments() throws IOException {
        directory = Files.createDirectory(temporary.resolve("run"));
        copied = temporary.resolve("copied");
        RecordLog log = open(directory, options(StoreFiles.SYSTEM)).log();
        for (int seq = 1; seq <= SEGMENTS; seq++) {
            BatchRecord batch =
                    batch(MANIFEST, seq == 1 ? "first" : "writer", seq == 1 ? 1 : seq - 1, 4L * seq - 4, ROWS, 0, seq);
            log.write(List.of(batch, new DeletionRecord(4L * seq, new long[] {seq})));
            all.addAll(expected(MANIFEST, batch));
        }
        for (int ordinal = 0; ordinal < all.size(); ordinal++) {
            if (!DEAD.contains(ordinal)) {
                live.add(all.get(ordinal));
            }
        }
        log.release();
        log.indexFullSegments();
    }

    private static void compact(Path run, StoreFiles files) throws IOException {
        RecordLog log = open(run, options(files)).log();
        log.compact(log.fullSegments(), IS_DEAD, PACE);
    }

    private void assertHolds(Recovered recovered, List<Stored> samples, String when) {
        assertThat(recovered.samples()).as(when).isEqualTo(samples);
        assertThat(recovered.damageCount()).as(when).isZero();
        assertThat(recovered.lostCount()).as(when).isZero();
        assertThat(recovered.deletedIds()).as(when).containsExactly(1L, 2L, 3L, 4L);
        assertThat(recovered.log().recoveredRevision()).as(when).isEqualTo(16);
        assertThat(recovered.log().recoveredBatchSeqs()).as(when).isEqualTo(Map.of("first", 1L, "writer", 3L));
    }

    @Test
    void compact_severalSegments_leavesOneWithTheLiveRows() throws IOException {
        compact(directory, StoreFiles.SYSTEM);

        assertThat(LogFixture.files(directory).stream()
                        .map(file -> file.getFileName().toString()))
                .containsExactly("segment-0000000003.didx", "segment-0000000003.dseg", "segment-0000000004.dseg");
        byte[] bytes = Files.readAllBytes(directory.resolve(SegmentFormat.fileName(3)));
        for (int ordinal = 0; ordinal < SEGMENTS * ROWS - ROWS; ordinal++) {
            assertThat(contains(bytes, all.get(ordinal).row())).isEqualTo(!DEAD.contains(ordinal));
        }
        assertHolds(open(directory, options(StoreFiles.SYSTEM)), live, "from the index");
        Files.delete(SegmentIndexFormat.fileOf(directory.resolve(SegmentFormat.fileName(3))));
        Recovered scanned = open(directory, options(StoreFiles.SYSTEM));
        assertHolds(scanned, live, "from the segment");
        scanned.log().indexFullSegments();
        scanned.log().write(List.of(batch(MANIFEST, "writer", 4, 16, 1, 0, 9)));
        assertThat(open(directory, options(StoreFiles.SYSTEM)).samples()).hasSize(live.size() + 1);
    }

    private static boolean contains(byte[] bytes, List<Byte> row) {
        for (int from = 0; from + row.size() <= bytes.length; from += FrameFormat.ALIGNMENT) {
            boolean same = true;
            for (int i = 0; same && i < row.size(); i++) {
                same = bytes[from + i] == row.get(i);
            }
            if (same) {
                return true;
            }
        }
        return false;
    }

    @Test
    void compact_again_dropsMore() throws IOException {
        compact(directory, StoreFiles.SYSTEM);
        RecordLog log = open(directory, options(StoreFiles.SYSTEM)).log();
        log.compact(log.fullSegments(), ordinal -> true, PACE);

        Recovered recovered = open(directory, options(StoreFiles.SYSTEM));
        assertHolds(recovered, all.subList(9, 12), "only the segment that is written to is left");
    }

    @Test
    void compact_killedAfterEachChange_losesNothingAndEndsClean() throws IOException {
        int changes = 0;
        while (true) {
            copy(directory, copied);
            StoppingFiles files = new StoppingFiles(changes);
            RecordLog log = open(copied, options(files)).log();
            try {
                log.compact(log.fullSegments(), IS_DEAD, PACE);
            } catch (IOException killed) {
                assertThat(killed).hasMessageStartingWith("killed");
            }
            String when = "killed after change " + changes;
            for (int round = 0; round < 2; round++) {
                Recovered recovered = open(copied, options(StoreFiles.SYSTEM));
                assertHolds(recovered, recovered.samples().size() == live.size() ? live : all, when);
                recovered.log().indexFullSegments();
                assertThat(LogFixture.files(copied).stream()
                                .filter(file -> file.toString().endsWith(".tmp")))
                        .as(when)
                        .isEmpty();
            }
            compact(copied, StoreFiles.SYSTEM);
            assertHolds(open(copied, options(StoreFiles.SYSTEM)), live, when + ", compacted again");
            if (!files.stopped()) {
                break;
            }
            changes++;
            FaultCounts.add("kills at each step of a compaction", 1);
        }
        assertThat(changes).as("changes").isGreaterThan(15);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void compact_againAfterTheIndexFailed_losesNothing(boolean directoryToo) throws IOException {
        FaultyFiles files = new FaultyFiles();
        RecordLog log = open(directory, options(files)).log();
        files.failIndexes(true);
        files.failDirectoryForces(directoryToo);
        try {
            log.compact(log.fullSegments(), IS_DEAD, PACE);
            assertThat(directoryToo).isFalse();
        } catch (IOException e) {
            assertThat(e).hasMessage("injected fault: force of a directory");
        }
        files.failIndexes(false);
        files.failDirectoryForces(false);
        assertThat(LogFixture.files(directory)).hasSize(directoryToo ? 2 * SEGMENTS - 1 : 2);
        List<FullSegment> full = log.fullSegments();
        assertThat(full).hasSize(1);
        assertThat(LogFixture.files(directory)).as("nothing replaced is left").hasSize(directoryToo ? 3 : 2);
        // Refused for the index that is missing, or that of the segment which had the name before.
        assertThatThrownBy(() -> log.compact(full, IS_DEAD, PACE)).isInstanceOf(CorruptSegmentException.class);

        log.indexFullSegments();
        log.compact(log.fullSegments(), IS_DEAD, PACE);
        assertHolds(open(directory, options(StoreFiles.SYSTEM)), live, "compacted twice");
    }

    @Test
    void compact_unreadableLiveRow_changesNothing() throws IOException {
        Path segment = directory.resolve(SegmentFormat.fileName(3));
        flip(segment, (int) Files.size(segment) - FrameFormat.MARK_BYTES - 128 - 1, 3);
        RecordLog log = open(directory, options(StoreFiles.SYSTEM)).log();
        byte[] before = Files.readAllBytes(segment);

        assertThatThrownBy(() -> log.compact(log.fullSegments(), IS_DEAD, PACE))
                .isInstanceOf(CorruptSegmentException.class)
                .hasMessageContaining("segment-0000000003.dseg");
        assertThat(Files.readAllBytes(segment)).isEqualTo(before);
        assertThat(LogFixture.files(directory)).hasSize(2 * SEGMENTS - 1);
    }

    @Test
    void recovery_aFlippedBitInACompactedSegment_costsOnlyWhatItTouches() throws IOException {
        compact(directory, StoreFiles.SYSTEM);
        Path segment = directory.resolve(SegmentFormat.fileName(3));
        for (int position = 0; position < Files.size(segment); position++) {
            for (boolean indexed : new boolean[] {true, false}) {
                copy(directory, copied);
                Path damaged = copied.resolve(segment.getFileName());
                flip(damaged, position, position % 8);
                if (!indexed) {
                    if (position < SegmentFormat.HEADER_BYTES) {
                        // The header alone says which segments it replaces.
                        continue;
                    }
                    Files.delete(SegmentIndexFormat.fileOf(damaged));
                }
                Recovered recovered = open(copied, options(StoreFiles.SYSTEM));
                List<Stored> readable = recovered.samples().stream()
                        .filter(sample -> !sample.row().isEmpty())
                        .toList();
                assertThat(live).as("byte %d", position).containsAll(readable);
                boolean missing =
                        readable.size() < live.size() || recovered.deletedIds().size() < SEGMENTS;
                assertThat(!missing || recovered.damageCount() > 0)
                        .as("byte %d", position)
                        .isTrue();
                assertThat(readable.size() + ROWS).as("byte %d", position).isGreaterThanOrEqualTo(live.size());
            }
        }
    }
}
