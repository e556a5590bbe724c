package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.copy;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.flip;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SegmentIndexTest {

    // A group fills a segment.
    private static final StoreOptions SMALL =
            new StoreOptions(100, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, StoreFiles.SYSTEM);

    @TempDir
    private Path temporary;

    private Path directory;
    private Path damaged;
    private final List<Stored> all = new ArrayList<>();

    @BeforeEach
    void writeThreeSegments() throws IOException {
        directory = Files.createDirectory(temporary.resolve("run"));
        damaged = temporary.resolve("damaged");
        RecordLog log = open(directory, SMALL).log();
        for (int seq = 1; seq <= 3; seq++) {
            BatchRecord batch = batch(MANIFEST, "writer", seq, 3L * seq - 3, 2, 0, seq);
            log.write(List.of(
                    batch,
                    new DeletionRecord(3L * seq, new long[] {batch.samples().sampleIds()[1]})));
            all.addAll(expected(MANIFEST, batch));
        }
        log.release();
        log.indexFullSegments();
    }

    private static Path index(Path run, long number) {
        return SegmentIndexFormat.fileOf(run.resolve(SegmentFormat.fileName(number)));
    }

    @Test
    void indexFullSegments_afterWrites_indexesAllButTheLast() throws IOException {
        assertThat(index(directory, 1)).exists();
        assertThat(index(directory, 2)).exists();
        assertThat(index(directory, 3)).doesNotExist();
        Recovered recovered = open(directory, SMALL);
        assertThat(recovered.samples()).isEqualTo(all);
        assertThat(recovered.deletedIds()).hasSize(3);
        assertThat(recovered.log().recoveredRevision()).isEqualTo(9);
    }

    @Test
    void recovery_headsAndHeadersDamaged_areReadFromTheIndex() throws IOException {
        Path segment = directory.resolve(SegmentFormat.fileName(1));
        for (int position = 0; position < Files.size(segment); position++) {
            copy(directory, damaged);
            flip(damaged.resolve(segment.getFileName()), position, position % 8);
            Recovered recovered = open(damaged, SMALL);
            List<Stored> readable = recovered.samples().stream()
                    .filter(sample -> !sample.row().isEmpty())
                    .toList();
            assertThat(recovered.samples()).as("byte %d", position).hasSize(6);
            assertThat(recovered.lostCount()).as("byte %d", position).isZero();
            assertThat(all).containsAll(readable);
            assertThat(readable.size()).as("byte %d", position).isGreaterThanOrEqualTo(5);
        }
    }

    @Test
    void recovery_indexDamagedAnywhereOrCut_readsTheSegment() throws IOException {
        Path index = index(directory, 1);
        for (int position = 0; position <= Files.size(index); position++) {
            copy(directory, damaged);
            if (position < Files.size(index)) {
                flip(index(damaged, 1), position, position % 8);
            } else {
                LogFixture.cutTo(index(damaged, 1), position - 1L);
            }
            Recovered recovered = open(damaged, SMALL);
            assertThat(recovered.samples()).as("byte %d", position).isEqualTo(all);
            assertThat(recovered.damageCount()).as("byte %d", position).isZero();
            recovered.log().indexFullSegments();
            assertThat(index(damaged, 1)).as("byte %d", position).hasSameBinaryContentAs(index);
        }
    }

    @Test
    void recovery_indexOfAnotherSegment_isNotUsed() throws IOException {
        byte[] second = Files.readAllBytes(index(directory, 2));
        byte[] first = Files.readAllBytes(index(directory, 1));
        Files.write(index(directory, 1), second);

        Recovered recovered = open(directory, SMALL);
        assertThat(recovered.samples()).isEqualTo(all);
        recovered.log().indexFullSegments();
        assertThat(Files.readAllBytes(index(directory, 1))).isEqualTo(first);
    }

    @Test
    void indexFullSegments_damagedFrames_getNone() throws IOException {
        Files.delete(index(directory, 1));
        flip(directory.resolve(SegmentFormat.fileName(1)), SegmentFormat.HEADER_BYTES + 70, 1);
        for (int round = 0; round < 2; round++) {
            Recovered recovered = open(directory, SMALL);
            assertThat(recovered.lostCount()).isEqualTo(2);
            assertThat(recovered.damageCount()).isEqualTo(1);
            recovered.log().indexFullSegments();
            assertThat(index(directory, 1)).doesNotExist();
        }
    }

    @ParameterizedTest
    @CsvSource({"16384, 48, 1, 0.01", "16384, 1, 1, 0.01", "4096, 12, 1, 0.06", "1024, 4, 1, 0.06", "1536, 4, 64, 0.01"
    })
    void overhead_ofRows_staysBelowTheLimit(int dimension, int blocks, int samples, double limit) throws IOException {
        List<Block> widths = new ArrayList<>();
        for (int l = 0; l < blocks; l++) {
            widths.add(new Block("block-" + l, 1, dimension / blocks));
        }
        BlockLayout layout = BlockLayout.of(widths);
        RunManifest manifest = LogFixture.manifest(layout, ElementType.F32);
        Path run = Files.createDirectory(temporary.resolve("overhead"));
        RecordLog log = open(run, manifest, StoreOptions.DEFAULT).log();
        log.write(List.of(batch(manifest, "0123456789abcdef0123456789abcdef", 1, 0, samples, 0, 2)));
        log.release();

        long rowBytes = (long) layout.dimension() * Float.BYTES * samples;
        long bytes = Files.size(run.resolve(SegmentFormat.fileName(1)))
                - SegmentFormat.HEADER_BYTES
                - FrameFormat.MARK_BYTES;
        assertThat((bytes - rowBytes) / (double) rowBytes).isLessThanOrEqualTo(limit);
    }
}
