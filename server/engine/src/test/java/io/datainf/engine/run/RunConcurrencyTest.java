package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunConcurrencyTest {

    private static final int WRITERS = 4;
    private static final int BATCHES = 150;
    private static final int BATCH_SAMPLES = 7;

    @TempDir
    private Path directory;

    @Test
    void snapshots_whileWritersAppend_seeWholeBatchesOnly() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong snapshots = new AtomicLong();
        try (RunRegistry registry = RunFixture.open(directory);
                ExecutorService threads =
                        Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            Run run = registry.create(definition("run"));
            Future<?> reader = threads.submit(() -> {
                while (!done.get()) {
                    try (RunSnapshot snapshot = run.snapshot()) {
                        checkWholeBatches(snapshot);
                        snapshots.incrementAndGet();
                    }
                }
            });
            List<Future<?>> writers = new ArrayList<>();
            for (int w = 0; w < WRITERS; w++) {
                int writer = w;
                writers.add(threads.submit(() -> write(run, writer)));
            }
            for (Future<?> writer : writers) {
                writer.get();
            }
            done.set(true);
            reader.get();

            assertThat(snapshots).hasPositiveValue();
            try (RunSnapshot snapshot = run.snapshot()) {
                assertThat(snapshot.samples().sampleCount()).isEqualTo((long) WRITERS * BATCHES * BATCH_SAMPLES);
                RunFixture.assertConsistent(snapshot);
            }
        }
    }

    @Test
    void groups_formWhileAForceRuns_andReceiptsCompleteInOrder() throws IOException {
        AtomicLong groups = new AtomicLong();
        StoreEvents events = new StoreEvents() {
            @Override
            public void appended(int batchCount, int sampleCount, long bytes) {
                groups.incrementAndGet();
            }
        };
        AtomicLong outOfOrder = new AtomicLong();
        try (RunRegistry registry = RunRegistry.open(directory, RunFixture.BUDGET, events, StoreOptions.DEFAULT)) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
            List<CompletionStage<Void>> checked = new ArrayList<>();
            for (int seq = 1; seq <= 500; seq++) {
                CompletionStage<BatchReceipt> before = receipts.isEmpty() ? null : receipts.getLast();
                CompletionStage<BatchReceipt> receipt = writer.append(RunFixture.batch(seq, seq, gradient(seq)));
                receipts.add(receipt);
                checked.add(receipt.thenAccept(result -> {
                    if (before != null && !before.toCompletableFuture().isDone()) {
                        outOfOrder.incrementAndGet();
                    }
                }));
            }
            receipts.forEach(RunFixture::await);
            checked.forEach(check -> check.toCompletableFuture().join());
        }
        assertThat(groups.get()).isLessThan(500);
        assertThat(outOfOrder).hasValue(0);
    }

    @Test
    void supersedingAndDeleting_whileWritersAppend_leaveNoReceiptOpen() throws Exception {
        try (RunRegistry registry = RunFixture.open(directory);
                ExecutorService threads =
                        Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            for (int round = 0; round < 10; round++) {
                Run run = registry.create(definition("run"));
                List<Future<?>> writers = new ArrayList<>();
                for (int w = 0; w < 3; w++) {
                    writers.add(threads.submit(writeUntilRefused(run)));
                }
                while (run.revision() < 20) {
                    Thread.onSpinWait();
                }
                registry.delete(run.definition().id());
                for (Future<?> writer : writers) {
                    writer.get();
                }
            }
            assertThat(registry.figures())
                    .usingRecursiveComparison()
                    .ignoringFields("spareMemoryBytes")
                    .isEqualTo(new StorageFigures(0, 0, 0, 0, 0, 0, 0, RunFixture.BUDGET, true));
        }
    }

    /** All writers share one id, so that they supersede each other. */
    private static Callable<Integer> writeUntilRefused(Run run) {
        return () -> {
            int refusals = 0;
            while (true) {
                try (RunWriter writer = run.openWriter("shared")) {
                    long batchSeq = writer.resumeAfterBatchSeq();
                    List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
                    for (int i = 1; i <= 5; i++) {
                        receipts.add(
                                writer.append(RunFixture.batch(batchSeq + i, batchSeq + i, gradient(batchSeq + i))));
                    }
                    for (CompletionStage<BatchReceipt> receipt : receipts) {
                        try {
                            await(receipt);
                        } catch (SupersededWriterException | BatchOutOfOrderException e) {
                            refusals++;
                        }
                    }
                } catch (UnknownRunException e) {
                    return refusals;
                }
            }
        };
    }

    private static Void write(Run run, int writerIndex) {
        try (RunWriter writer = run.openWriter("writer-" + writerIndex)) {
            List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
            for (int b = 1; b <= BATCHES; b++) {
                long[] ids = new long[BATCH_SAMPLES];
                float[][] gradients = new float[BATCH_SAMPLES][];
                for (int i = 0; i < BATCH_SAMPLES; i++) {
                    ids[i] = batchOf(writerIndex, b) * BATCH_SAMPLES + i;
                    gradients[i] = gradient(ids[i]);
                }
                receipts.add(writer.append(RunFixture.batch(b, ids, gradients)));
                if (b % 10 == 0) {
                    receipts.forEach(RunFixture::await);
                    receipts.clear();
                }
            }
            receipts.forEach(RunFixture::await);
            return null;
        }
    }

    private static long batchOf(int writer, int batch) {
        return (long) writer * 1000 + batch;
    }

    private static void checkWholeBatches(RunSnapshot snapshot) {
        int rowCount = snapshot.samples().rowCount();
        assertThat(snapshot.samples().sampleCount()).isEqualTo(rowCount);
        assertThat(snapshot.revision()).isEqualTo(rowCount);
        Map<Long, Integer> samplesOfBatch = new HashMap<>();
        long[] ids = new long[rowCount];
        for (int ordinal = 0; ordinal < rowCount; ordinal++) {
            ids[ordinal] = snapshot.sampleId(ordinal);
            samplesOfBatch.merge(ids[ordinal] / BATCH_SAMPLES, 1, Integer::sum);
        }
        assertThat(samplesOfBatch.values()).allMatch(count -> count == BATCH_SAMPLES);
        int[] ordinals = snapshot.ordinalsOf(ids);
        for (int ordinal = 0; ordinal < rowCount; ordinal++) {
            if (ordinals[ordinal] != ordinal) {
                throw new AssertionError(
                        "id %d is at %d: expected %d".formatted(ids[ordinal], ordinals[ordinal], ordinal));
            }
        }
        if (rowCount > 0) {
            int newest = rowCount - 1;
            assertThat(RunFixture.row(snapshot, newest)).isEqualTo(gradient(ids[newest]));
        }
    }
}
