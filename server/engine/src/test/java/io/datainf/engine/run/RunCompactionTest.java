package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.OffHeapRows;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunCompactionTest {

    private static final RunId ID = new RunId("run");
    private static final CompactionOptions AT_HALF = new CompactionOptions(0.5, Duration.ofDays(1), Long.MAX_VALUE);
    private static final CompactionOptions AT_ONCE = new CompactionOptions(1, Duration.ZERO, Long.MAX_VALUE);

    @TempDir
    private Path directory;

    private RunRegistry registry;
    private Run run;
    private final Map<Long, float[]> model = new HashMap<>();
    private long batchSeq;

    @BeforeEach
    void create() throws IOException {
        registry = RunFixture.open(directory);
        run = registry.create(definition("run"));
    }

    @AfterEach
    void close() {
        registry.close();
    }

    private void reopen(CompactionOptions compaction) throws IOException {
        reopen(compaction, StoreEvents.NONE);
    }

    private void reopen(CompactionOptions compaction, StoreEvents events) throws IOException {
        registry.close();
        StoreOptions options = new StoreOptions(4096, 1024, Durability.FSYNC, compaction, StoreFiles.SYSTEM);
        registry = RunRegistry.open(directory, RunFixture.BUDGET, events, options);
        run = registry.get(ID);
    }

    private void store(long id, long content) {
        await(run.openWriter("writer").append(batch(++batchSeq, id, gradient(content))));
        model.put(id, gradient(content));
    }

    private void delete(long id) {
        run.deleteSamples(new long[] {id}).toCompletableFuture().join();
        model.remove(id);
    }

    private void assertModel() {
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, model);
        }
    }

    /** How many files of the run hold this gradient. */
    private long filesHolding(long content) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocate(RunFixture.DIMENSION * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float element : gradient(content)) {
            bytes.putFloat(element);
        }
        String row = new String(bytes.array(), StandardCharsets.ISO_8859_1);
        try (Stream<Path> files = Files.list(directory.resolve("runs/run"))) {
            long count = 0;
            for (Path file : files.toList()) {
                count += Files.readString(file, StandardCharsets.ISO_8859_1).contains(row) ? 1 : 0;
            }
            return count;
        }
    }

    /** Maintains until nothing more is due: first the current segment is left, then it is compacted. */
    private void maintain() {
        for (int round = 0; round < 3; round++) {
            registry.maintain();
        }
    }

    @Test
    void replaced_smallRows_giveTheirMemoryBackByTiles() {
        for (int id = 0; id < 300; id++) {
            store(id, id);
        }
        long full = registry.figures().memoryBytes();
        for (int id = 0; id < 300; id++) {
            store(id, 1000 + id);
        }
        assertThat(registry.figures().memoryBytes()).isEqualTo(2 * full);
        registry.maintain();
        assertThat(registry.figures().memoryBytes()).isEqualTo(2 * full - full / 300 * OffHeapRows.TILE_ROWS);
        assertModel();
    }

    @Test
    void deleted_pastTheDeadline_isGoneFromTheFiles() throws IOException {
        reopen(AT_ONCE);
        for (int id = 0; id < 100; id++) {
            store(id, id);
        }
        delete(7);
        delete(99);
        store(50, 1050);
        try (RunSnapshot before = run.snapshot()) {
            long deletedAt = run.revision();
            maintain();
            assertThat(List.of(filesHolding(7), filesHolding(99), filesHolding(50)))
                    .containsOnly(0L);
            assertThat(List.of(filesHolding(8), filesHolding(1050))).containsOnly(1L);
            assertThat(run.erasure().deadCount()).isZero();
            assertThat(run.erasure().erasedRevision()).isEqualTo(deletedAt);
            assertThat(run.erasure().compactTime()).isPresent();
            assertHolds(before, model);
        }
        for (int round = 0; round < 2; round++) {
            assertModel();
            assertThat(run.deleteSamples(new long[] {7}).toCompletableFuture().join())
                    .isEqualTo(new DeletionReceipt(0, 1, 103));
            assertThat(RunFixture.failure(run.openWriter("other").append(batch(1, 7, gradient(7)))))
                    .isInstanceOf(DeletedSampleException.class);
            reopen(AT_ONCE);
        }
        assertThat(run.erasure().erasedRevision()).isEqualTo(103);
        assertThat(run.erasure().compactTime()).isPresent();
        store(101, 101);
        assertModel();
    }

    @Test
    void compaction_belowTheShare_waits() throws IOException {
        reopen(AT_HALF);
        for (int id = 0; id < 200; id++) {
            store(id, id);
        }
        delete(3);
        maintain();
        assertThat(filesHolding(3)).isEqualTo(1);
        assertThat(run.erasure()).isEqualTo(new Erasure(1, 200, java.util.Optional.empty()));
        for (int id = 4; id < 150; id++) {
            delete(id);
        }
        maintain();
        assertThat(filesHolding(3)).isZero();
        assertThat(filesHolding(70)).isZero();
        assertModel();
        reopen(AT_HALF);
        assertModel();
    }

    @Test
    void erasedRevision_whatKilledARowCompactedAway_staysBelowItsDeath() throws IOException {
        reopen(AT_HALF);
        for (int id = 0; id < 40; id++) {
            store(id, id);
        }
        long died = 0;
        for (int id = 100; id < 140; id++) {
            if (id == 120) {
                store(0, 1000);
                died = run.revision();
            }
            store(id, id);
        }
        for (int id = 100; id < 140; id++) {
            delete(id);
        }
        for (int id = 200; id < 230; id++) {
            store(id, id);
        }
        store(0, 2000);
        maintain();
        assertThat(filesHolding(0)).isEqualTo(1);
        assertThat(filesHolding(1000)).isZero();
        for (int round = 0; round < 2; round++) {
            assertThat(run.erasure().erasedRevision()).isLessThan(died);
            assertModel();
            reopen(AT_HALF);
        }
    }

    @Test
    void compact_allRuns_takesTheCurrentSegmentToo() throws IOException {
        for (int id = 0; id < 10; id++) {
            store(id, id);
        }
        delete(9);
        store(8, 1008);
        registry.compact();
        assertThat(filesHolding(9)).isZero();
        assertThat(filesHolding(8)).isZero();
        assertThat(run.erasure().deadCount()).isZero();
        assertModel();
        reopen(AT_HALF);
        assertModel();
    }

    @Test
    void compaction_aRowRotsMeanwhile_goesOnWithTheOthersAndTellsOnce() throws IOException {
        AtomicInteger damages = new AtomicInteger();
        reopen(AT_ONCE, new StoreEvents() {
            @Override
            public void damaged() {
                damages.incrementAndGet();
            }
        });
        for (int id = 0; id < 100; id++) {
            store(id, id);
        }
        maintain();
        flip("segment-0000000001.dseg", 192 + 128 + 40);
        delete(1);
        delete(60);
        maintain();
        delete(61);
        maintain();
        assertThat(filesHolding(1)).as("beside the rotten row").isEqualTo(1);
        assertThat(List.of(filesHolding(60), filesHolding(61))).containsOnly(0L);
        assertThat(run.erasure().deadCount()).isEqualTo(1);
        assertThat(damages).hasValue(1);
        assertModel();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void compaction_unknownHeader_goesOnWithTheOthers(boolean current) throws IOException {
        reopen(AT_ONCE);
        for (int id = 0; id < 100; id++) {
            store(id, id);
        }
        delete(50);
        registry.close();
        Path runDirectory = directory.resolve("runs/run");
        String segment = "segment-0000000002";
        if (current) {
            try (Stream<Path> files = Files.list(runDirectory)) {
                segment = files.map(file -> file.getFileName().toString())
                        .filter(name -> name.endsWith(".dseg"))
                        .max(String::compareTo)
                        .orElseThrow()
                        .replace(".dseg", "");
            }
        }
        Files.deleteIfExists(runDirectory.resolve(segment + ".didx"));
        flip(segment + ".dseg", 40);
        reopen(AT_ONCE);
        assertModel();
        maintain();
        assertThat(filesHolding(50)).as("dead when the run was opened").isZero();
        delete(60);
        maintain();
        assertThat(filesHolding(60)).isZero();
        assertModel();
        reopen(AT_ONCE);
        assertModel();
    }

    private void flip(String file, int position) throws IOException {
        Path path = directory.resolve("runs/run").resolve(file);
        byte[] bytes = Files.readAllBytes(path);
        bytes[position] ^= 4;
        Files.write(path, bytes);
    }

    @Test
    void compaction_damagedRows_staysAwayUntilTheyAreReplaced() throws IOException {
        reopen(AT_ONCE);
        for (int id = 0; id < 100; id++) {
            store(id, id);
        }
        registry.close();
        Path segment = directory.resolve("runs/run/segment-0000000001.dseg");
        byte[] bytes = Files.readAllBytes(segment);
        // In the row of the first sample, which lies behind a head of 128 bytes.
        bytes[192 + 128 + 40] ^= 4;
        Files.write(segment, bytes);
        reopen(AT_ONCE);
        run.snapshot().close();
        assertThat(run.damagedSamples().sampleIds()).containsExactly(0L);
        model.remove(0L);
        delete(1);
        maintain();
        assertThat(filesHolding(1)).as("beside a damaged row").isEqualTo(1);
        assertModel();

        store(0, 0);
        maintain();
        assertThat(filesHolding(1)).isZero();
        assertThat(run.damagedCount()).isZero();
        reopen(AT_ONCE);
        assertModel();
    }
}
