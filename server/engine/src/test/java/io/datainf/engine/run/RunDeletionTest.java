package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.FaultyFiles;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDeletionTest {

    private static final RunId ID = new RunId("run");

    private final FaultyFiles files = new FaultyFiles();

    @TempDir
    private Path directory;

    private RunRegistry registry;
    private Run run;

    @BeforeEach
    void open() throws IOException {
        reopen(files);
    }

    @AfterEach
    void close() {
        registry.close();
    }

    private void reopen(StoreFiles with) throws IOException {
        if (registry != null) {
            registry.close();
        }
        registry = RunFixture.open(directory, RunFixture.BUDGET, with);
        run = registry.create(definition("run"));
    }

    private DeletionReceipt delete(long... ids) {
        return run.deleteSamples(ids).toCompletableFuture().join();
    }

    private void store(long batchSeq, long... ids) {
        float[][] gradients = new float[ids.length][];
        for (int i = 0; i < ids.length; i++) {
            gradients[i] = gradient(ids[i]);
        }
        await(run.openWriter("writer").append(batch(batchSeq, ids, gradients)));
    }

    @Test
    void delete_someSamples_leavesARunOfTheOthers() throws IOException {
        store(1, 1, 2, 3, 4);
        try (RunSnapshot before = run.snapshot()) {
            assertThat(delete(2, 7, 4, 2)).isEqualTo(new DeletionReceipt(2, 2, 6));
            assertHolds(before, Map.of(1L, gradient(1), 2L, gradient(2), 3L, gradient(3), 4L, gradient(4)));
        }
        for (int round = 0; round < 2; round++) {
            assertThat(run.sampleCount()).isEqualTo(2);
            assertThat(run.revision()).isEqualTo(6);
            try (RunSnapshot after = run.snapshot()) {
                assertHolds(after, Map.of(1L, gradient(1), 3L, gradient(3)));
                assertThatThrownBy(() -> after.ordinalsOf(new long[] {2})).isInstanceOf(UnknownSampleException.class);
            }
            assertThat(delete(2)).isEqualTo(new DeletionReceipt(0, 1, 6));
            reopen(files);
        }
    }

    @Test
    void statistics_afterDeletionsAndReplacements_equalThoseOfARebuild() throws IOException {
        Run rebuilt = registry.create(definition("rebuilt", ElementType.F32));
        RunWriter writer = run.openWriter("writer");
        for (int id = 1; id <= 300; id++) {
            await(writer.append(batch(id, id, scaled(id))));
        }
        long seq = 300;
        for (int id = 1; id <= 300; id += 3) {
            delete(id);
        }
        for (int id = 2; id <= 300; id += 3) {
            await(writer.append(batch(++seq, id, scaled(id + 1000))));
        }
        RunWriter other = rebuilt.openWriter("writer");
        for (int id = 2, n = 0; id <= 300; id += id % 3 == 2 ? 1 : 2) {
            await(other.append(batch(++n, id, scaled(id % 3 == 2 ? id + 1000 : id))));
        }
        try (RunSnapshot snapshot = run.snapshot();
                RunSnapshot expected = rebuilt.snapshot()) {
            assertThat(snapshot.samples().sampleCount()).isEqualTo(200);
            double[] sums = expected.samples().statistics().squaredNormSums();
            for (int l = 0; l < sums.length; l++) {
                assertThat(snapshot.samples().statistics().squaredNormSums()[l])
                        .isCloseTo(sums[l], within(1e-12 * sums[l]));
            }
        }
    }

    private static float[] scaled(int content) {
        float[] gradient = gradient(content);
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] *= (float) Math.pow(10, content % 13 - 6);
        }
        return gradient;
    }

    @Test
    void append_deletedSample_needsToBeAllowed() throws IOException {
        store(1, 1, 2);
        delete(1);
        for (int round = 0; round < 2; round++) {
            RunWriter writer = run.openWriter("writer");
            assertThat(failure(writer.append(batch(2, new long[] {3, 1}, gradient(3), gradient(1)))))
                    .isInstanceOf(DeletedSampleException.class)
                    .hasMessageContaining("sample 1 was deleted from run 'run'");
            assertThat(run.sampleCount()).isEqualTo(1);
            reopen(files);
        }
        SampleBatch allowed = batch(2, 1, gradient(9));
        await(run.openWriter("writer")
                .append(new SampleBatch(
                        2, allowed.sampleIds(), allowed.steps(), true, allowed.elementType(), allowed.gradients())));
        store(3, 1);
        reopen(files);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2)));
        }
    }

    @Test
    void delete_storeFails_deletesNothing() throws IOException {
        store(1, 1, 2);
        files.failForces(true);
        assertThatThrownBy(() -> delete(1))
                .isInstanceOf(CompletionException.class)
                .hasRootCauseMessage("injected fault: force");
        assertThat(run.sampleCount()).isEqualTo(2);
        assertThat(registry.writeTrouble()).hasValue("writes of run 'run' fail: injected fault: force");
        assertThat(registry.figures().writable()).isFalse();
        registry.maintain();
        assertThat(registry.writeTrouble()).isPresent();

        files.failForces(false);
        registry.maintain();
        assertThat(registry.writeTrouble()).isEmpty();
        assertThat(delete(1).deletedCount()).isEqualTo(1);
        reopen(files);
        assertThat(run.sampleCount()).isEqualTo(1);
    }

    @Test
    void damagedRow_isTakenOutAndCanBeReplacedOrDeleted() throws IOException {
        store(1, 1, 2, 3, 4);
        registry.close(); // again when reopened, to no effect
        Path segment = directory.resolve("runs/run/segment-0000000001.dseg");
        byte[] bytes = Files.readAllBytes(segment);
        // The rows of samples 2 and 4, from the end: the mark, padding of 32 bytes, rows of 88 bytes.
        int rowsEnd = bytes.length - 64 - 32;
        bytes[rowsEnd - 10] ^= 1;
        bytes[rowsEnd - 2 * 88 - 10] ^= 1;
        Files.write(segment, bytes);

        reopen(files);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, gradient(1), 3L, gradient(3)));
        }
        assertThat(run.damagedSamples().count()).isEqualTo(2);
        assertThat(run.damagedSamples().sampleIds()).containsExactly(2L, 4L);
        assertThat(registry.figures().damagedCount()).isEqualTo(2);
        store(2, 2);
        assertThat(run.damagedSamples().sampleIds()).containsExactly(4L);
        assertThat(delete(4).deletedCount()).isEqualTo(1);
        assertThat(run.damagedCount()).isZero();
        reopen(files);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2), 3L, gradient(3)));
        }
    }

    @Test
    void delete_afterTheRunWasDeleted_fails() throws IOException {
        store(1, 1);
        registry.delete(ID);
        assertThatThrownBy(() -> delete(1)).hasCauseInstanceOf(UnknownRunException.class);
    }
}
