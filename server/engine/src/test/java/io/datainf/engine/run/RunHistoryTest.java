package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.FaultCounts;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random sequences of everything that changes a run, against a map. */
class RunHistoryTest {

    private static final int HISTORIES = Integer.getInteger("datainf.histories", 200);
    private static final int STEPS = 25;
    private static final int IDS = 30;
    // All rows in memory, five of them at most, none.
    private static final long[] BUDGETS = {RunFixture.BUDGET, 5 * 128, 0};
    // Half of them compact what is dead at once, half when enough is.
    private static final List<CompactionOptions> COMPACTIONS = List.of(
            new CompactionOptions(0.2, Duration.ofDays(1), Long.MAX_VALUE),
            new CompactionOptions(1, Duration.ZERO, Long.MAX_VALUE));

    @TempDir
    private Path directory;

    @Test
    void randomHistories_matchAPlainModel() throws IOException {
        long seed = Long.getLong("datainf.seed", System.nanoTime());
        System.out.println("seed " + seed);
        for (int history = 0; history < HISTORIES; history++) {
            Path folder = directory.resolve("history-" + history);
            try (History played =
                    new History(folder, new SplittableRandom(seed + history), history % 2, BUDGETS[history % 3])) {
                for (int step = 0; step < STEPS; step++) {
                    played.step();
                }
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed %d, history %d".formatted(seed + history, history), e);
            }
            FaultCounts.add("random sequences against a model", 1);
        }
    }

    /** One run and its model. */
    private static final class History implements AutoCloseable {

        private final Path directory;
        private final SplittableRandom random;
        private final StoreOptions options;
        private final long budgetBytes;
        private final Map<Long, float[]> live = new HashMap<>();
        private final Set<Long> deleted = new HashSet<>();
        // Content of each live sample, and of dead ones the revision at which it was last replaced or deleted.
        private final Map<Long, Long> contents = new HashMap<>();
        private final Map<Long, Long> deaths = new HashMap<>();
        private final Map<String, Long> batchSeqs = new HashMap<>();
        private RunRegistry registry;
        private Run run;
        private @Nullable RunSnapshot earlier;
        private Map<Long, float[]> earlierLive = Map.of();
        private long revision;

        History(Path directory, SplittableRandom random, int compaction, long budgetBytes) throws IOException {
            this.directory = directory;
            this.random = random;
            this.budgetBytes = budgetBytes;
            this.options = new StoreOptions(2048, 1024, Durability.OS, COMPACTIONS.get(compaction), StoreFiles.SYSTEM);
            this.registry = open();
            this.run = registry.create(definition("run"));
        }

        private RunRegistry open() throws IOException {
            return RunRegistry.open(directory, budgetBytes, StoreEvents.NONE, options);
        }

        @Override
        public void close() {
            closeEarlier();
            registry.close();
        }

        void step() throws IOException {
            switch (random.nextInt(12)) {
                case 0 -> restart();
                case 1, 2 -> registry.maintain();
                case 10 -> moveMemory();
                case 11 -> reopenEarlier();
                case 3, 4 -> delete();
                default -> append();
            }
            assertThat(run.revision()).isEqualTo(revision);
            assertThat(run.sampleCount()).isEqualTo(live.size());
            if (random.nextInt(3) == 0) {
                check();
            }
        }

        /** Takes rows out of memory, or brings some in. */
        private void moveMemory() {
            if (random.nextBoolean()) {
                run.evict(random.nextInt(1000));
            } else {
                run.discardEvicted();
                run.loadRows(random.nextInt(1000));
            }
        }

        /** Looks whether a snapshot of before still shows what it showed, and takes another. */
        private void reopenEarlier() {
            closeEarlier();
            earlier = run.snapshot();
            earlierLive = Map.copyOf(live);
        }

        private void closeEarlier() {
            RunSnapshot snapshot = earlier;
            if (snapshot != null) {
                assertHolds(snapshot, earlierLive);
                snapshot.close();
                earlier = null;
            }
        }

        private void restart() throws IOException {
            closeEarlier();
            registry.close();
            if (random.nextInt(3) == 0) {
                DataVerifier.Summary summary = DataVerifier.verify(directory, finding -> {
                    throw new AssertionError(finding);
                });
                assertThat(summary.rowCount()).isGreaterThanOrEqualTo(live.size());
            }
            if (random.nextInt(3) == 0) {
                Path segments = directory.resolve("runs/run");
                try (var files = Files.list(segments)) {
                    // Nothing depends on an index.
                    for (Path file : files.filter(any -> any.toString().endsWith(".didx"))
                            .toList()) {
                        Files.delete(file);
                    }
                }
            }
            registry = open();
            run = registry.get(new RunId("run"));
            check();
            checkErased();
        }

        private void check() {
            try (RunSnapshot snapshot = run.snapshot()) {
                assertThat(snapshot.revision()).isEqualTo(revision);
                assertHolds(snapshot, live);
            }
            assertThat(run.damagedCount()).isZero();
            Erasure erasure = run.erasure();
            assertThat(erasure.erasedRevision()).isLessThanOrEqualTo(revision);
            assertThat(erasure.deadCount() == 0).isEqualTo(erasure.erasedRevision() == revision);
        }

        /** What is said to be erased must not be found in any file. */
        private void checkErased() throws IOException {
            long erasedRevision = run.erasure().erasedRevision();
            StringBuilder all = new StringBuilder();
            try (var files = Files.list(directory.resolve("runs/run"))) {
                for (Path file : files.toList()) {
                    all.append(Files.readString(file, StandardCharsets.ISO_8859_1));
                }
            }
            for (Map.Entry<Long, Long> death : deaths.entrySet()) {
                if (death.getValue() <= erasedRevision && all.indexOf(row(death.getKey())) >= 0) {
                    throw new AssertionError("content %d, dead since revision %d, is in the files: erased up to %d"
                            .formatted(death.getKey(), death.getValue(), erasedRevision));
                }
            }
        }

        private static String row(long content) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(RunFixture.DIMENSION * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (float element : gradient(content)) {
                bytes.putFloat(element);
            }
            return new String(bytes.array(), StandardCharsets.ISO_8859_1);
        }

        private void delete() {
            long[] ids = random.longs(1 + random.nextInt(4), 0, IDS).toArray();
            int held = 0;
            List<Long> died = new ArrayList<>();
            for (long id : ids) {
                if (live.remove(id) != null) {
                    deleted.add(id);
                    held++;
                    died.add(Objects.requireNonNull(contents.remove(id)));
                }
            }
            revision += held;
            died.forEach(content -> deaths.put(content, revision));
            assertThat(run.deleteSamples(ids).toCompletableFuture().join())
                    .isEqualTo(new DeletionReceipt(held, ids.length - held, revision));
        }

        private void append() {
            long[] ids = random.longs(1 + random.nextInt(6), 0, IDS).distinct().toArray();
            float[][] gradients = new float[ids.length][];
            long[] sent = new long[ids.length];
            for (int i = 0; i < ids.length; i++) {
                sent[i] = ids[i] * 10 + random.nextInt(3);
                gradients[i] = gradient(sent[i]);
            }
            boolean allowDeleted = random.nextInt(3) == 0;
            String writerId = "writer-" + random.nextInt(3);
            long batchSeq = batchSeqs.getOrDefault(writerId, 0L) + 1;
            SampleBatch plain = RunFixture.batch(batchSeq, ids, gradients);
            SampleBatch batch =
                    new SampleBatch(batchSeq, ids, plain.steps(), allowDeleted, plain.elementType(), plain.gradients());
            var receipt = run.openWriter(writerId).append(batch);
            if (!allowDeleted && Arrays.stream(ids).anyMatch(deleted::contains)) {
                assertThat(failure(receipt)).isInstanceOf(DeletedSampleException.class);
                return;
            }
            batchSeqs.put(writerId, batchSeq);
            assertThat(await(receipt)).isEqualTo(apply(batchSeq, ids, sent, gradients));
        }

        private BatchReceipt apply(long batchSeq, long[] ids, long[] sent, float[][] gradients) {
            int stored = 0;
            int replaced = 0;
            for (int i = 0; i < ids.length; i++) {
                float[] held = live.put(ids[i], gradients[i]);
                deleted.remove(ids[i]);
                if (held == null || !Arrays.equals(held, gradients[i])) {
                    stored++;
                    replaced += held == null ? 0 : 1;
                }
            }
            revision += stored;
            for (int i = 0; i < ids.length; i++) {
                Long before = contents.put(ids[i], sent[i]);
                if (before != null && before != sent[i]) {
                    deaths.put(before, revision);
                }
                deaths.remove(sent[i]);
            }
            return new BatchReceipt(batchSeq, revision, stored, replaced, ids.length - stored, List.of());
        }
    }
}
