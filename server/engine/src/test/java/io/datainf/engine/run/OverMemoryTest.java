package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs with more rows than fit into memory. */
class OverMemoryTest {

    private static final int WIDTH = 5_003; // rows begin at no multiple of a block of the disk
    private static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("a", 1, 4_000), new Block("b", 1, WIDTH - 4_000)));
    private static final long STRIDE = GradientMatrix.strideBytes(LAYOUT, ElementType.F32);
    private static final int BATCH = 20;
    private static final CompactionOptions AT_ONCE = new CompactionOptions(0.01, Duration.ZERO, Long.MAX_VALUE);

    @TempDir
    private Path directory;

    private RunRegistry registry;
    private Run run;
    private long batchSeq;

    @BeforeEach
    void create() throws IOException {
        open(100);
        run = create("run");
    }

    private void open(int rows) throws IOException {
        StoreOptions options = new StoreOptions(1 << 20, 1 << 18, Durability.OS, AT_ONCE, StoreFiles.SYSTEM);
        registry = RunRegistry.open(directory, rows * STRIDE, StoreEvents.NONE, options);
    }

    private Run create(String id) throws IOException {
        return registry.create(new RunDefinition(new RunId(id), LAYOUT, ElementType.F32, 0.1, "", Map.of()));
    }

    private void reopen(int rows) throws IOException {
        registry.close();
        open(rows);
        run = registry.get(new RunId("run"));
    }

    @AfterEach
    void close() {
        registry.close();
    }

    /** The element at this place of the gradient of a sample. */
    private static float element(long id, int place) {
        return (float) Math.sin(id * 12.9898 + place * 0.618);
    }

    private void store(Run target, long firstId) {
        MemorySegment rows = Arena.ofAuto().allocate((long) BATCH * WIDTH * Float.BYTES, 4);
        for (int i = 0; i < BATCH; i++) {
            for (int k = 0; k < WIDTH; k++) {
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * WIDTH + k, element(firstId + i, k));
            }
        }
        long[] ids = LongStream.range(firstId, firstId + BATCH).toArray();
        await(target.openWriter("w").append(new SampleBatch(++batchSeq, ids, new long[0], ElementType.F32, rows)));
    }

    private void storeAll(int count) {
        for (int id = 0; id < count; id += BATCH) {
            store(run, id);
        }
    }

    /** Every live row of the snapshot is that of its sample. */
    private static void check(RunSnapshot snapshot) {
        MemorySegment row = Arena.ofAuto().allocate((long) WIDTH * Float.BYTES, 8);
        for (int ordinal = 0; ordinal < snapshot.samples().rowCount(); ordinal++) {
            if (snapshot.samples().live(ordinal)) {
                snapshot.readRow(ordinal, row);
                for (int k = 0; k < WIDTH; k += 331) {
                    if (row.getAtIndex(ValueLayout.JAVA_FLOAT, k) != element(snapshot.sampleId(ordinal), k)) {
                        throw new AssertionError("sample %d, element %d".formatted(snapshot.sampleId(ordinal), k));
                    }
                }
            }
        }
    }

    private static double[] scores(RunSnapshot snapshot) {
        float[] v = new float[WIDTH];
        for (int k = 0; k < WIDTH; k++) {
            v[k] = element(-7, k);
        }
        InfluenceRequest request = new InfluenceRequest(
                snapshot.samples(),
                1,
                MemorySegment.ofArray(v),
                new InfluenceMethod.DataInf(),
                List.of(new Damping.Scaled(0.1)),
                false,
                false);
        try (InfluenceCalculator calculator = InfluenceCalculator.create(2);
                InfluenceScores scores =
                        calculator.compute(request, WorkMonitor.of(() -> false)).getFirst()) {
            double[] all = new double[snapshot.samples().rowCount()];
            for (int k = 0; k < all.length; k++) {
                all[k] = snapshot.samples().live(k) ? scores.score(0, k) : 0;
            }
            return all;
        }
    }

    @Test
    void scores_areTheSame_whateverIsInMemory() throws IOException {
        storeAll(400);
        run.deleteSamples(new long[] {3, 250, 399}).toCompletableFuture().join();
        assertThat(run.sampleCount()).isEqualTo(397);
        assertThat(run.residentCount()).isEqualTo(99); // of the first 100, one died
        double[] partly;
        try (RunSnapshot snapshot = run.snapshot()) {
            check(snapshot);
            partly = scores(snapshot);
        }
        for (int rows : new int[] {0, 7, 1_000}) {
            reopen(rows);
            try (RunSnapshot snapshot = run.snapshot()) {
                assertThat(snapshot.residentCount()).isEqualTo(Math.min(rows, 397));
                assertThat(scores(snapshot)).isEqualTo(partly);
            }
        }
    }

    @Test
    void eviction_waitsForTheSnapshotsThatSeeTheRows_andMakesRoomForTheRunThatIsAsked() throws IOException {
        storeAll(100);
        Run other = create("other");
        batchSeq = 0;
        store(other, 1_000);
        assertThat(other.residentCount()).isZero();
        try (RunSnapshot before = run.snapshot()) {
            double[] expected = scores(before);
            other.snapshot().close();
            registry.balanceMemory(Duration.ZERO);
            // What leaves is still seen by the snapshot, so nothing came in.
            assertThat(run.residentCount()).isLessThan(100);
            assertThat(other.residentCount()).isZero();
            assertThat(registry.figures().memoryBytes()).isEqualTo(100 * STRIDE);
            check(before);
            assertThat(scores(before)).isEqualTo(expected);
            try (RunSnapshot after = run.snapshot()) {
                check(after);
                assertThat(scores(after)).isEqualTo(expected);
            }
        }
        other.snapshot().close();
        registry.balanceMemory(Duration.ZERO);
        assertThat(other.residentCount()).isEqualTo(BATCH);
        assertThat(registry.figures().memoryBytes()).isLessThanOrEqualTo(100 * STRIDE);
        try (RunSnapshot snapshot = other.snapshot()) {
            check(snapshot);
        }
        try (RunSnapshot snapshot = run.snapshot()) {
            check(snapshot);
        }
    }

    @Test
    void compaction_leavesRowsInTheFilesThatAnOpenSnapshotMayRead() {
        storeAll(400);
        RunSnapshot before = run.snapshot();
        run.deleteSamples(LongStream.range(150, 350).toArray())
                .toCompletableFuture()
                .join();
        registry.maintain();
        registry.maintain();
        assertThat(run.erasure().deadCount()).isPositive();
        check(before);
        before.close();
        // The first time may end the current segment, the next compacts it.
        for (int round = 0; round < 4; round++) {
            registry.maintain();
        }
        assertThat(run.erasure().deadCount()).isZero();
        try (RunSnapshot after = run.snapshot()) {
            check(after);
        }
    }

    @Test
    void filesOfASnapshot_stayReadable_whenCompactedOrDeletedAway() throws IOException {
        storeAll(400);
        try (RunSnapshot before = run.snapshot()) {
            check(before); // opens them
            run.deleteSamples(LongStream.range(0, 40).toArray())
                    .toCompletableFuture()
                    .join();
            registry.maintain();
            registry.delete(new RunId("run"));
            check(before);
        }
    }

    @Test
    void deletedRun_whoseFilesWereNotOpen_isUnknown() throws IOException {
        storeAll(400);
        try (RunSnapshot before = run.snapshot()) {
            registry.delete(new RunId("run"));
            assertThatThrownBy(() -> check(before)).isInstanceOf(UnknownRunException.class);
        }
    }

    @Test
    void damagedRow_leavesTheRunWhenAScanFindsIt() throws IOException {
        storeAll(400);
        flipByteOfSample(333);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertThatThrownBy(() -> scores(snapshot))
                    .isInstanceOf(UnreadableSamplesException.class)
                    .hasMessageContaining("sample 333")
                    .hasMessageContaining("'run'");
        }
        assertThat(run.damagedSamples()).isEqualTo(new DamagedSamples(1, List.of(333L)));
        try (RunSnapshot snapshot = run.snapshot()) {
            assertThat(snapshot.samples().sampleCount()).isEqualTo(399);
            check(snapshot);
            scores(snapshot);
        }
        // Sent again, it is back.
        store(run, 320);
        assertThat(run.damagedCount()).isZero();
        assertThat(run.sampleCount()).isEqualTo(400);
    }

    private void flipByteOfSample(long id) throws IOException {
        byte[] wanted = new byte[40];
        ByteBuffer elements = ByteBuffer.wrap(wanted).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        for (int k = 0; k < 10; k++) {
            elements.putFloat(element(id, k));
        }
        try (var files = Files.list(directory.resolve("runs/run"))) {
            for (Path file :
                    files.filter(any -> any.toString().endsWith(".dseg")).toList()) {
                byte[] bytes = Files.readAllBytes(file);
                for (int at = 0; at + wanted.length <= bytes.length; at += 4) {
                    if (java.util.Arrays.equals(bytes, at, at + wanted.length, wanted, 0, wanted.length)) {
                        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                            channel.write(ByteBuffer.wrap(new byte[] {(byte) (bytes[at + 5] ^ 1)}), at + 5);
                        }
                        return;
                    }
                }
            }
        }
        throw new AssertionError("sample %d is in no file".formatted(id));
    }

    @Test
    void snapshots_showWhatTheyShowed_whileEverythingMoves() throws Exception {
        storeAll(200);
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong checked = new AtomicLong();
        try (ExecutorService threads =
                Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            List<Future<?>> others = new ArrayList<>();
            for (int r = 0; r < 2; r++) {
                others.add(threads.submit(() -> {
                    while (!done.get()) {
                        try (RunSnapshot snapshot = run.snapshot()) {
                            check(snapshot);
                            check(snapshot);
                            checked.incrementAndGet();
                        }
                    }
                }));
            }
            others.add(threads.submit(() -> {
                for (int round = 0; !done.get(); round++) {
                    if (round % 2 == 0) {
                        run.evict(30 * STRIDE);
                    } else {
                        run.discardEvicted();
                        run.loadRows(30 * STRIDE);
                    }
                    registry.maintain();
                }
            }));
            for (int b = 0; b < 30; b++) {
                store(run, 200 + (long) b * BATCH);
                run.deleteSamples(LongStream.range(b * 10L, b * 10L + 10).toArray())
                        .toCompletableFuture()
                        .join();
            }
            while (checked.get() < 10 && others.stream().noneMatch(Future::isDone)) {
                Thread.onSpinWait();
            }
            done.set(true);
            for (Future<?> other : others) {
                other.get();
            }
        }
        assertThat(run.sampleCount()).isEqualTo(500);
        assertThat(run.damagedCount()).isZero();
    }
}
