package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.DIMENSION;
import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the rows of batches arrive, and what shows of it: nothing. */
class RowArrivalTest {

    private static final long STRIDE = GradientMatrix.strideBytes(RunFixture.LAYOUT, ElementType.F32);

    @TempDir
    private Path directory;

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Map<Long, float[]> expected = new HashMap<>();
    private RunRegistry registry;
    private Run run;

    @BeforeEach
    void open() throws IOException {
        open(directory.resolve("data"), 1_000);
    }

    private void open(Path data, int rows) throws IOException {
        registry = RunFixture.open(data, rows * STRIDE, StoreFiles.SYSTEM);
        run = registry.create(definition("run"));
    }

    @AfterEach
    void close() {
        registry.close();
        threads.shutdownNow();
    }

    /** The gradients of a batch. */
    private static class Forwarding implements GradientSource {
        private final GradientSource source;

        Forwarding(SampleBatch batch) {
            this.source = batch.gradients();
        }

        @Override
        public long byteCount() {
            return source.byteCount();
        }

        @Override
        public void read(MemorySegment target) {
            source.read(target);
        }
    }

    /** Notes where they are read to. */
    private static final class Recorded extends Forwarding {
        private final List<Long> addresses = new ArrayList<>();

        Recorded(SampleBatch batch) {
            super(batch);
        }

        @Override
        public void read(MemorySegment target) {
            addresses.add(target.address());
            super.read(target);
        }
    }

    /** Do not arrive before they are let. */
    private static final class Held extends Forwarding {
        private final CountDownLatch begun = new CountDownLatch(1);
        private final CompletableFuture<Void> end = new CompletableFuture<>();

        Held(SampleBatch batch) {
            super(batch);
        }

        @Override
        public void read(MemorySegment target) {
            super.read(target);
            begun.countDown();
            end.join();
        }
    }

    private static SampleBatch with(GradientSource source, SampleBatch batch) {
        return new SampleBatch(batch.batchSeq(), batch.sampleIds(), batch.steps(), false, batch.elementType(), source);
    }

    private SampleBatch samples(long batchSeq, long... ids) {
        float[][] gradients = new float[ids.length][];
        for (int i = 0; i < ids.length; i++) {
            gradients[i] = gradient(ids[i]);
            expected.put(ids[i], gradients[i]);
        }
        return batch(batchSeq, ids, gradients);
    }

    private long addressOf(long id) {
        try (RunSnapshot snapshot = run.snapshot()) {
            return snapshot.samples()
                    .gradients()
                    .row(snapshot.ordinalsOf(new long[] {id})[0])
                    .address();
        }
    }

    private void assertHoldsExpected() {
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, expected);
        }
    }

    @Test
    void rows_areCopiedOnce_toWhereTheyAreRead() {
        RunWriter writer = run.openWriter("writer");
        for (long seq = 1; seq <= 20; seq++) {
            SampleBatch batch = samples(seq, seq * 10, seq * 10 + 1, seq * 10 + 2);
            Recorded source = new Recorded(batch);

            await(writer.append(with(source, batch)));

            assertThat(source.addresses)
                    .containsExactly(addressOf(seq * 10), addressOf(seq * 10 + 1), addressOf(seq * 10 + 2));
        }
        assertHoldsExpected();
    }

    @Test
    void rows_behindDuplicatesAndRefusedOnes_areMoved() {
        RunWriter writer = run.openWriter("writer");
        await(writer.append(samples(1, 1, 2, 3)));
        float[] nan = gradient(4);
        nan[DIMENSION - 1] = Float.NaN;
        List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
        for (int round = 0; round < 50; round++) {
            long seq = 2 + round * 3L;
            receipts.add(writer.append(samples(seq, 3, 1, 1_000 + round)));
            receipts.add(writer.append(batch(seq + 1, new long[] {4, 2}, nan, gradient(2))));
            receipts.add(writer.append(samples(seq + 2, 2_000 + round, 3_000 + round)));
        }

        int duplicates = 0;
        for (CompletionStage<BatchReceipt> receipt : receipts) {
            duplicates += await(receipt).duplicateCount();
        }

        assertThat(duplicates).isEqualTo(150);
        assertHoldsExpected();
        // And soon there is nothing that moves any more.
        SampleBatch last = samples(152, 77);
        Recorded source = new Recorded(last);
        await(writer.append(with(source, last)));
        assertThat(source.addresses).containsExactly(addressOf(77));
    }

    @Test
    void batchThatArrivesSlowly_keepsItsTurn() throws Exception {
        RunWriter slow = run.openWriter("slow");
        RunWriter fast = run.openWriter("fast");
        Held held = new Held(samples(1, 1, 2));
        CompletableFuture<BatchReceipt> first =
                CompletableFuture.supplyAsync(() -> await(slow.append(with(held, samples(1, 1, 2)))), threads);
        held.begun.await();

        CompletionStage<BatchReceipt> second = fast.append(samples(1, 3));

        assertThat(second.toCompletableFuture()).isNotDone();
        held.end.complete(null);
        assertThat(first.get().revision()).isEqualTo(2);
        assertThat(await(second).revision()).isEqualTo(3);
        assertHoldsExpected();
    }

    @Test
    void batchThatIsRefusedAsItArrives_leavesNothing_andOthersGoOn() throws Exception {
        RunWriter bad = run.openWriter("bad");
        RunWriter good = run.openWriter("good");
        Held held = new Held(batch(1, 9, gradient(9)));
        CompletableFuture<CompletionStage<BatchReceipt>> refused =
                CompletableFuture.supplyAsync(() -> bad.append(with(held, batch(1, 9, gradient(9)))), threads);
        held.begun.await();
        CompletionStage<BatchReceipt> behind = good.append(samples(1, 3));
        held.end.completeExceptionally(new IllegalStateException("torn"));

        assertThat(await(behind).revision()).isEqualTo(1);
        assertThatExceptionOfType(Exception.class).isThrownBy(refused::get).withMessageContaining("torn");
        await(bad.append(samples(1, 4)));
        await(good.append(samples(2, 5)));
        assertHoldsExpected();
    }

    @Test
    void runDeletedWhileABatchArrives_failsIt_andGivesMemoryBack() throws Exception {
        RunWriter writer = run.openWriter("writer");
        Held held = new Held(batch(1, 9, gradient(9)));
        CompletableFuture<CompletionStage<BatchReceipt>> arriving =
                CompletableFuture.supplyAsync(() -> writer.append(with(held, batch(1, 9, gradient(9)))), threads);
        held.begun.await();

        registry.delete(run.definition().id());
        held.end.complete(null);

        assertThat(failure(arriving.get())).isInstanceOf(UnknownRunException.class);
        assertThat(registry.figures().memoryBytes()).isZero();
    }

    @Test
    void rowsThatArrivedInVain_doNotShow_whenMemoryIsFull() throws IOException {
        registry.close();
        open(directory.resolve("small"), 4);
        RunWriter writer = run.openWriter("writer");
        float[] nan = new float[DIMENSION];
        Arrays.fill(nan, Float.NaN);
        await(writer.append(samples(1, 1, 2)));
        // Refused where the third and fourth row would lie; the next ones take their memory elsewhere.
        await(writer.append(batch(2, new long[] {8, 9}, nan, nan)));
        Run other = registry.create(definition("other"));
        await(other.openWriter("w").append(batch(1, new long[] {1, 2}, gradient(1), gradient(2))));
        await(writer.append(samples(3, 3, 4)));

        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, expected);
            for (int ordinal = 2; ordinal < 4; ordinal++) {
                MemorySegment absent = snapshot.samples().gradients().row(ordinal);
                assertThat(absent.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            }
        }
    }

    @Test
    void manyWriters_withDuplicatesRefusalsAndFailures_storeWhatWasSent() throws Exception {
        long seed = System.nanoTime();
        int writers = 6;
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int w = 0; w < writers; w++) {
            int index = w;
            all.add(CompletableFuture.runAsync(() -> write(index, new Random(seed + index)), threads));
        }
        for (CompletableFuture<Void> one : all) {
            one.get();
        }
        for (long id = 0; id < 300; id++) {
            expected.put(id, gradient(id));
        }
        assertThat(expected).as("seed %d", seed).hasSize(300);
        assertHoldsExpected();
    }

    /** Sends all of 300 samples in an order of its own, some with an attempt that fails before. */
    private void write(int index, Random random) {
        RunWriter writer = run.openWriter("writer-" + index);
        List<Long> ids = new ArrayList<>();
        for (long id = 0; id < 300; id++) {
            ids.add(id);
        }
        Collections.shuffle(ids, random);
        List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
        long seq = 1;
        for (int at = 0; at < ids.size(); ) {
            int end = Math.min(ids.size(), at + 1 + random.nextInt(7));
            long[] some =
                    ids.subList(at, end).stream().mapToLong(Long::longValue).toArray();
            float[][] gradients =
                    Arrays.stream(some).mapToObj(RunFixture::gradient).toArray(float[][]::new);
            SampleBatch batch = batch(seq, some, gradients);
            if (random.nextInt(4) == 0) {
                assertThatExceptionOfType(IllegalStateException.class)
                        .isThrownBy(() -> writer.append(with(new Torn(batch), batch)));
            }
            receipts.add(writer.append(batch));
            seq++;
            at = end;
        }
        receipts.forEach(RunFixture::await);
    }

    /** Gradients that turn out wrong once they are read. */
    private record Torn(SampleBatch batch) implements GradientSource {

        @Override
        public long byteCount() {
            return batch.gradients().byteCount();
        }

        @Override
        public void read(MemorySegment target) {
            target.fill((byte) -1);
        }

        @Override
        public void verify(int crc32c) {
            throw new IllegalStateException("torn");
        }
    }
}
