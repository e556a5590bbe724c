package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs of which nothing is written. */
class NoDurabilityTest {

    private static final long STRIDE = GradientMatrix.strideBytes(RunFixture.LAYOUT, ElementType.F32);
    private static final int ROOM = 8;

    @TempDir
    private Path directory;

    private RunRegistry registry;
    private Run run;
    private final Map<Long, float[]> expected = new HashMap<>();

    @BeforeEach
    void open() throws IOException {
        CompactionOptions atOnce = new CompactionOptions(0.01, Duration.ZERO, Long.MAX_VALUE);
        StoreOptions options = new StoreOptions(4096, 1024, Durability.NONE, atOnce, StoreFiles.SYSTEM);
        registry = RunRegistry.open(directory, ROOM * STRIDE, StoreEvents.NONE, options);
        run = registry.create(definition("run"));
    }

    @AfterEach
    void close() {
        registry.close();
    }

    private BatchReceipt store(RunWriter writer, long batchSeq, long id, long content) {
        BatchReceipt receipt = await(writer.append(batch(batchSeq, id, gradient(content))));
        expected.put(id, gradient(content));
        return receipt;
    }

    private void assertHeld() {
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, expected);
            assertThat(snapshot.residentCount()).isEqualTo(expected.size());
        }
    }

    private List<Path> segments() throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.filter(file -> file.toString().contains("segment")).toList();
        }
    }

    @Test
    void samples_areStoredReplacedDeletedAndCounted_withoutSegments() throws IOException {
        RunWriter writer = run.openWriter("w");
        store(writer, 1, 1, 10);
        store(writer, 2, 2, 20);
        assertThat(store(writer, 3, 1, 11).replacedCount()).isEqualTo(1);
        assertThat(store(writer, 4, 2, 20).duplicateCount()).isEqualTo(1);
        assertThat(await(writer.append(batch(4, 2, gradient(21)))).storedCount())
                .as("a batch that came before")
                .isZero();
        run.deleteSamples(new long[] {2}).toCompletableFuture().join();
        expected.remove(2L);
        assertHeld();
        assertThat(run.revision()).isEqualTo(4);
        assertThat(segments()).isEmpty();
    }

    @Test
    void maintenance_leavesTheRunAsItIs() throws IOException {
        RunWriter writer = run.openWriter("w");
        for (long id = 1; id <= ROOM; id++) {
            store(writer, id, id, id);
        }
        run.deleteSamples(new long[] {3}).toCompletableFuture().join();
        expected.remove(3L);
        Run asked = registry.create(definition("asked"));
        asked.snapshot().close();
        for (int round = 0; round < 3; round++) {
            registry.maintain();
            registry.balanceMemory(Duration.ZERO);
        }
        registry.compact();
        assertHeld();
        assertThat(run.erasure().deadCount()).isZero();
        assertThat(run.erasure().erasedRevision()).isEqualTo(run.revision());
        assertThat(segments()).isEmpty();
    }

    @Test
    void batch_withoutRoom_isRefusedWhole_andFitsOnceAnotherRunIsDeleted() throws IOException {
        Run other = registry.create(definition("other"));
        await(other.openWriter("w").append(batch(1, new long[] {1, 2}, gradient(1), gradient(2))));
        RunWriter writer = run.openWriter("w");
        for (long id = 1; id <= ROOM - 3; id++) {
            store(writer, id, id, id);
        }
        SampleBatch two = batch(ROOM - 2, new long[] {100, 101}, gradient(100), gradient(101));
        assertThat(failure(writer.append(two)))
                .isInstanceOf(MemoryFullException.class)
                .hasMessageContainingAll("%d bytes".formatted(2 * STRIDE), Long.toString(ROOM * STRIDE));
        assertHeld();
        assertThat(registry.writeTrouble()).isEmpty();
        assertThat(registry.figures().memoryBytes()).isEqualTo((ROOM - 1) * STRIDE);
        // What is smaller, or is there already, still finds its place.
        RunWriter another = run.openWriter("v");
        store(another, 1, 50, 50);
        assertThat(store(another, 2, 50, 50).duplicateCount()).isEqualTo(1);

        registry.delete(new RunId("other"));
        await(writer.append(two));
        expected.put(100L, gradient(100));
        expected.put(101L, gradient(101));
        assertHeld();
    }

    @Test
    void runs_areGoneAfterARestart() throws IOException {
        store(run.openWriter("w"), 1, 1, 1);
        registry.close();
        open(); // creates the run anew
        assertThat(run.sampleCount()).isZero();
        assertThat(run.openWriter("w").resumeAfterBatchSeq()).isZero();
        registry.close();
        registry = RunFixture.open(directory);
        assertThatThrownBy(() -> registry.get(new RunId("run"))).isInstanceOf(UnknownRunException.class);
    }
}
