package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.copy;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import io.datainf.engine.store.LogFixture.Recovered;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that a disk does not give. A directory in their place gives an error to whoever reads it, as a bad sector does. */
class UnreadableFilesTest {

    private static final StoreOptions SMALL =
            new StoreOptions(100, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, StoreFiles.SYSTEM);

    @TempDir
    private Path temporary;

    private Path healthy;
    private Path directory;
    private final List<Stored> all = new ArrayList<>();

    @BeforeEach
    void writeThreeSegments() throws IOException {
        healthy = Files.createDirectory(temporary.resolve("healthy"));
        directory = temporary.resolve("run");
        RecordLog log = open(healthy, SMALL).log();
        for (int seq = 1; seq <= 3; seq++) {
            BatchRecord batch = batch(MANIFEST, "writer", seq, 2L * seq - 2, 2, 0, seq);
            log.write(List.of(batch));
            all.addAll(expected(MANIFEST, batch));
        }
        log.release();
        log.indexFullSegments();
        copy(healthy, directory);
    }

    private static void makeUnreadable(Path file) throws IOException {
        Files.delete(file);
        Files.createDirectory(file);
        FaultCounts.add("injected faults: read", 1);
    }

    private List<String> findings() throws IOException {
        List<String> findings = new ArrayList<>();
        List<Long> samples = new ArrayList<>();
        new LogVerifier(directory, MANIFEST, new LogVerifier.Visitor() {
                    @Override
                    public void row(Path file, long sampleId, double[] q, MemorySegment row) {
                        samples.add(sampleId);
                    }

                    @Override
                    public void finding(String sentence) {
                        findings.add(sentence);
                    }
                })
                .verify();
        assertThat(samples).as("the other segments").hasSizeGreaterThanOrEqualTo(4);
        return findings;
    }

    @Test
    void index_cannotBeRead_costsNothing() throws IOException {
        Path index = SegmentIndexFormat.fileOf(directory.resolve(SegmentFormat.fileName(1)));
        makeUnreadable(index);

        assertThat(findings()).singleElement().asString().contains(index + " cannot be read: Is a directory");
        Recovered recovered = open(directory, SMALL);
        assertThat(recovered.samples()).isEqualTo(all);
        assertThat(recovered.damageCount()).isZero();
    }

    @Test
    void fullSegment_cannotBeRead_costsItsRowsUntilItCan() throws IOException {
        Path segment = directory.resolve(SegmentFormat.fileName(2));
        makeUnreadable(segment);

        assertThat(findings())
                .hasSize(2)
                .allSatisfy(finding -> assertThat(finding).contains(segment + " cannot be read", "Is a directory"));
        Recovered recovered = open(directory, SMALL);
        assertThat(recovered.damageCount()).as("the header and two rows").isEqualTo(3);
        assertThat(recovered.lostCount()).isZero();
        assertThat(recovered.samples())
                .filteredOn(sample -> sample.row().isEmpty())
                .as("ids and squared norms come from the index")
                .extracting(Stored::id)
                .containsExactly(all.get(2).id(), all.get(3).id());
        assertThat(recovered.samples())
                .filteredOn(sample -> !sample.row().isEmpty())
                .isEqualTo(List.of(all.get(0), all.get(1), all.get(4), all.get(5)));

        BatchRecord next = batch(MANIFEST, "writer", 4, 6, 1, 0, 4);
        recovered.log().write(List.of(next));
        recovered.log().release();
        Files.delete(segment);
        Files.copy(healthy.resolve(segment.getFileName()), segment);
        all.addAll(expected(MANIFEST, next));
        Recovered again = open(directory, SMALL);
        assertThat(again.samples()).as("when the disk gives it again").isEqualTo(all);
        assertThat(again.damageCount()).isZero();
    }

    @Test
    void lastSegment_cannotBeRead_isNotTakenForEmpty() throws IOException {
        Path segment = directory.resolve(SegmentFormat.fileName(3));
        makeUnreadable(segment);

        assertThat(findings())
                .isNotEmpty()
                .allSatisfy(finding -> assertThat(finding).contains(segment.toString()));
        assertThatIOException().isThrownBy(() -> open(directory, SMALL)).withMessageContaining("Is a directory");
    }
}
