package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows large enough that the memory of dead ones goes back. */
class RunReclaimTest {

    private static final int WIDTH = 1 << 16;
    private static final long ROW_BYTES = WIDTH * (long) Float.BYTES;
    private static final int BLOCK = 8;

    @TempDir
    private Path directory;

    private RunRegistry registry;
    private Run run;
    private RunWriter writer;

    @BeforeEach
    void open() throws IOException {
        StoreOptions options = new StoreOptions(
                4L << 20,
                1 << 20,
                Durability.OS,
                new CompactionOptions(0.3, Duration.ZERO, Long.MAX_VALUE),
                StoreFiles.SYSTEM);
        registry = RunRegistry.open(directory, 1L << 30, StoreEvents.NONE, options);
        BlockLayout layout = BlockLayout.of(List.of(new Block("wide", 1, WIDTH)));
        run = registry.create(new RunDefinition(new RunId("run"), layout, ElementType.F32, 0.1, "", Map.of()));
        writer = run.openWriter("writer");
    }

    @AfterEach
    void close() {
        registry.close();
    }

    /** Stores {@link #BLOCK} samples from this id on; all elements of a sample are its id. */
    private void store(long batchSeq, long firstId) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate(BLOCK * ROW_BYTES);
            long[] ids = new long[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                ids[i] = firstId + i;
                for (long k = 0; k < WIDTH; k++) {
                    rows.setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * WIDTH + k, (float) ids[i]);
                }
            }
            await(writer.append(new SampleBatch(batchSeq, ids, new long[0], ElementType.F32, rows)));
        }
    }

    private void delete(long firstId) {
        long[] ids = new long[BLOCK];
        for (int i = 0; i < BLOCK; i++) {
            ids[i] = firstId + i;
        }
        run.deleteSamples(ids).toCompletableFuture().join();
    }

    private static void check(RunSnapshot snapshot) {
        for (int ordinal = 0; ordinal < snapshot.samples().rowCount(); ordinal++) {
            if (snapshot.samples().live(ordinal)) {
                MemorySegment row = snapshot.samples().gradients().row(ordinal);
                float id = (float) snapshot.sampleId(ordinal);
                for (int k = 0; k < WIDTH; k += 1021) {
                    if (row.getAtIndex(ValueLayout.JAVA_FLOAT, k) != id) {
                        throw new AssertionError("row %d, element %d".formatted(ordinal, k));
                    }
                }
            }
        }
    }

    @Test
    void discard_waitsForTheSnapshotsThatSeeTheRows() {
        for (int b = 0; b < 4; b++) {
            store(b + 1, (long) b * BLOCK);
        }
        long full = registry.figures().memoryBytes();
        RunSnapshot before = run.snapshot();
        delete(BLOCK);
        for (int round = 0; round < 3; round++) {
            registry.maintain();
        }
        check(before);
        assertThat(before.samples().sampleCount()).isEqualTo(4 * BLOCK);
        assertThat(registry.figures().memoryBytes()).isEqualTo(full);

        before.close();
        registry.maintain();
        assertThat(registry.figures().memoryBytes()).isEqualTo(full / 4 * 3);
        try (RunSnapshot after = run.snapshot()) {
            check(after);
            assertThat(after.samples().sampleCount()).isEqualTo(3 * BLOCK);
        }
        assertThat(run.erasure().deadCount()).isZero();
    }

    @Test
    void snapshots_whileSamplesAreDeletedAndFilesCompacted_keepTheirRows() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong checks = new AtomicLong();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<?>> readers =
                    List.of(threads.submit(() -> read(done, checks)), threads.submit(() -> read(done, checks)));
            Future<?> maintainer = threads.submit(() -> {
                while (!done.get()) {
                    registry.maintain();
                }
            });
            for (int b = 0; b < 60; b++) {
                store(b + 1, (long) b * BLOCK);
                if (b >= 3) {
                    delete((long) (b - 3) * BLOCK);
                }
            }
            done.set(true);
            for (Future<?> reader : readers) {
                reader.get();
            }
            maintainer.get();
        }
        assertThat(checks.get()).isPositive();
        for (int round = 0; round < 3; round++) {
            registry.maintain();
        }
        assertThat(run.sampleCount()).isEqualTo(3 * BLOCK);
        assertThat(registry.figures().memoryBytes()).isEqualTo(3 * BLOCK * (ROW_BYTES + 192));
    }

    private void read(AtomicBoolean done, AtomicLong checks) {
        while (!done.get()) {
            try (RunSnapshot snapshot = run.snapshot()) {
                check(snapshot);
                check(snapshot);
                checks.incrementAndGet();
            }
        }
    }
}
