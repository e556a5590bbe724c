package io.datainf.sidecar.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunWriter;
import io.datainf.engine.run.SampleBatch;
import io.datainf.engine.run.UnknownRunException;
import io.datainf.engine.store.StoreEvents;
import io.datainf.sidecar.Await;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QueryExecutorTest {

    private static final int DIMENSION = 64;
    private static final int SAMPLES = 600; // more than two row tiles

    private final AtomicInteger answered = new AtomicInteger();
    private final List<QueryFailure> failures = new CopyOnWriteArrayList<>();
    private final AtomicInteger refused = new AtomicInteger();
    private final AtomicInteger batches = new AtomicInteger();
    private final CountDownLatch release = new CountDownLatch(1);
    private RunRegistry runs;
    private Run run;
    private InfluenceCalculator calculator;
    private QueryExecutor executor;

    @BeforeEach
    void open(@TempDir Path dataDirectory) throws Exception {
        runs = RunRegistry.open(dataDirectory, 1 << 30, StoreEvents.NONE);
        BlockLayout layout = BlockLayout.of(List.of(new Block("b0", 1, DIMENSION)));
        run = runs.create(new RunDefinition(new RunId("r1"), layout, ElementType.F32, 0.1, "", Map.of()));
        try (RunWriter writer = run.openWriter("w");
                Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate((long) SAMPLES * DIMENSION * Float.BYTES, Float.BYTES);
            long[] ids = new long[SAMPLES];
            for (int i = 0; i < SAMPLES; i++) {
                ids[i] = i;
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * DIMENSION + i % DIMENSION, 1 + i);
            }
            writer.append(new SampleBatch(1, ids, new long[0], ElementType.F32, rows))
                    .toCompletableFuture()
                    .get(20, TimeUnit.SECONDS);
        }
        calculator = InfluenceCalculator.create(2);
        executor = new QueryExecutor(calculator, new QueryLimits(2, 1 << 20, 1 << 20), new QueryEvents() {
            @Override
            public void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos) {
                answered.incrementAndGet();
            }

            @Override
            public void batchComputed(
                    String engineName, InfluenceMethod method, int pointCount, long computeNanos, double scannedBytes) {
                batches.incrementAndGet();
            }

            @Override
            public void queryFailed(InfluenceMethod method, QueryFailure failure) {
                failures.add(failure);
            }

            @Override
            public void queryRefused() {
                refused.incrementAndGet();
            }
        });
    }

    @AfterEach
    void close() {
        release.countDown();
        executor.close();
        assertThat(executor.memory().usedBytes()).isZero();
        calculator.close();
        runs.close();
    }

    private QueryPlan plan(QuerySource source) {
        return new QueryPlan(
                run,
                source,
                false,
                new InfluenceMethod.DataInf(),
                List.of(new Damping.Scaled(0.1)),
                new SampleSelection.All(),
                new QueryOptions(false, Normalization.RAW, 0, false));
    }

    private ValidationGradients ones() {
        ValidationGradients gradients = executor.allocate(run.definition().layout(), 1, ElementType.F16);
        ByteBuffer elements = ByteBuffer.allocate(DIMENSION * Short.BYTES);
        for (int i = 0; i < DIMENSION; i++) {
            elements.putShort(Short.reverseBytes(Float.floatToFloat16(1)));
        }
        gradients.append("gradients", elements.flip());
        return gradients;
    }

    private CompletableFuture<QueryAnswer> submit(QueryPlan plan, BooleanSupplier cancelled) {
        CompletableFuture<QueryAnswer> future = new CompletableFuture<>();
        executor.submit(plan, this, cancelled, new QueryListener() {
            @Override
            public void answered(QueryAnswer answer) {
                future.complete(answer);
            }

            @Override
            public void failed(Throwable cause) {
                future.completeExceptionally(cause);
            }
        });
        return future;
    }

    /** Occupies the thread until {@link #release} opens. */
    private CompletableFuture<QueryAnswer> occupy() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        Thread submitter = Thread.currentThread();
        CompletableFuture<QueryAnswer> occupied = submit(plan(new StoredSamples(new long[] {0})), () -> {
            if (!Thread.currentThread().equals(submitter)) {
                running.countDown();
                awaitUninterruptibly(release);
            }
            return false;
        });
        running.await();
        return occupied;
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Throwable failure(CompletableFuture<QueryAnswer> future) throws Exception {
        Throwable failure =
                future.<@Nullable Throwable>handle((answer, cause) -> cause).get(20, TimeUnit.SECONDS);
        return Objects.requireNonNull(failure, "the query was answered");
    }

    @Test
    void submit_query_isAnsweredAndItsGradientsLetGo() throws Exception {
        CompletableFuture<QueryAnswer> future = submit(plan(ones()), () -> false);
        try (QueryAnswer answer = future.get(20, TimeUnit.SECONDS)) {
            assertThat(answer.sampleCount()).isEqualTo(SAMPLES);
            assertThat(executor.memory().usedBytes()).isEqualTo(SAMPLES * Double.BYTES);
            assertThat(answer.markSent()).isPositive();
        }
        assertThat(answered).hasValue(1);
        assertThat(failures).isEmpty();
    }

    @Test
    void answer_closedUnsent_countsAsCancelledOnce() throws Exception {
        QueryAnswer answer = submit(plan(ones()), () -> false).get(20, TimeUnit.SECONDS);
        answer.close();
        answer.close();
        assertThat(answered).hasValue(0);
        assertThat(failures).containsExactly(QueryFailure.CANCELLED);
    }

    @Test
    void submit_cancelledWhileItRuns_stops() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        Throwable failure = failure(submit(plan(ones()), () -> asked.incrementAndGet() > 3));
        assertThat(failure).isInstanceOf(CancellationException.class);
        assertThat(asked.get()).isGreaterThan(3);
        assertThat(failures).containsExactly(QueryFailure.CANCELLED);
    }

    @Test
    void submit_toARunThatIsGone_countsAsInvalid() throws Exception {
        QueryPlan plan = plan(ones());
        runs.delete(run.definition().id());
        assertThat(failure(submit(plan, () -> false))).isInstanceOf(UnknownRunException.class);
        assertThat(failures).containsExactly(QueryFailure.INVALID);
    }

    @Test
    void submit_takesTheSnapshotWhenItsTurnComes() throws Exception {
        CompletableFuture<QueryAnswer> first = occupy();
        CompletableFuture<QueryAnswer> second = submit(plan(new StoredSamples(new long[] {9_999})), () -> false);
        try (RunWriter writer = run.openWriter("w");
                Arena arena = Arena.ofShared()) {
            MemorySegment row =
                    arena.allocate(DIMENSION * Float.BYTES, Float.BYTES).fill((byte) 1);
            writer.append(new SampleBatch(2, new long[] {9_999}, new long[0], ElementType.F32, row))
                    .toCompletableFuture()
                    .get(20, TimeUnit.SECONDS);
        }
        release.countDown();
        first.get(20, TimeUnit.SECONDS).close();
        try (QueryAnswer answer = second.get(20, TimeUnit.SECONDS)) {
            assertThat(answer.sampleCount()).isEqualTo(SAMPLES + 1);
            assertThat(answer.queueNanos()).isPositive();
        }
    }

    @Test
    void submit_queueFull_isRefusedUnlessSomeoneHasGone() throws Exception {
        CompletableFuture<QueryAnswer> running = occupy();
        AtomicInteger gone = new AtomicInteger();
        CompletableFuture<QueryAnswer> waiting = submit(plan(ones()), () -> gone.get() > 0);
        CompletableFuture<QueryAnswer> other = submit(plan(ones()), () -> false);
        assertThat(executor.queueDepth()).isEqualTo(2);
        QueryPlan refusedPlan = plan(ones());
        assertThatThrownBy(() -> submit(refusedPlan, () -> false))
                .isInstanceOf(QueryQueueFullException.class)
                .hasMessageContaining("2 queries wait");
        assertThat(refused).hasValue(1);
        assertThat(executor.memory().usedBytes()).isEqualTo(2 * DIMENSION * Float.BYTES);

        gone.incrementAndGet();
        CompletableFuture<QueryAnswer> instead = submit(plan(ones()), () -> false);
        assertThat(failure(waiting)).isInstanceOf(CancellationException.class);
        release.countDown();
        for (CompletableFuture<QueryAnswer> future : List.of(running, other, instead)) {
            future.get(20, TimeUnit.SECONDS).close();
        }
    }

    @Test
    void close_queriesThatRunOrWait_fail() throws Exception {
        CompletableFuture<QueryAnswer> running = occupy();
        CompletableFuture<QueryAnswer> waiting = submit(plan(ones()), () -> false);
        Thread closer = Thread.ofPlatform().start(executor::close);
        assertThat(failure(waiting)).isInstanceOf(QueryExecutorClosedException.class);
        release.countDown();
        assertThat(failure(running)).isInstanceOf(QueryExecutorClosedException.class);
        closer.join();
        assertThatThrownBy(() -> submit(plan(ones()), () -> false)).isInstanceOf(QueryExecutorClosedException.class);
        Await.until("both failures", () -> failures.size() == 2);
        assertThat(failures).containsOnly(QueryFailure.FAILED);
    }

    @Test
    void allocate_moreThanThereIs_isRefused() {
        assertThatThrownBy(() -> executor.allocate(run.definition().layout(), 10_000, ElementType.F32))
                .isInstanceOfSatisfying(
                        QueryMemoryException.class,
                        e -> assertThat(e.temporary()).isFalse())
                .hasMessageContaining("2560000");
        ValidationGradients most = executor.allocate(run.definition().layout(), 4_000, ElementType.F32);
        assertThatThrownBy(() -> executor.allocate(run.definition().layout(), 1_000, ElementType.F32))
                .isInstanceOfSatisfying(
                        QueryMemoryException.class,
                        e -> assertThat(e.temporary()).isTrue());
        most.close();
        most.close();
    }

    @Test
    void plan_contradictions_areRefused() {
        assertThatThrownBy(() -> new QueryPlan(
                        run,
                        new StoredSamples(new long[] {1}),
                        false,
                        new InfluenceMethod.DataInf(),
                        List.of(),
                        new SampleSelection.All(),
                        new QueryOptions(false, Normalization.RAW, 0, false)))
                .hasMessageContaining("dampings");
        assertThatThrownBy(() -> new QueryOptions(false, Normalization.RAW, -1, false))
                .hasMessageContaining("minRevision is -1");
        assertThatThrownBy(() -> new QueryLimits(0, 1, 1 << 20)).hasMessageContaining("queueCapacity is 0");
        assertThatThrownBy(() -> new QueryLimits(1, 0, 1 << 20)).hasMessageContaining("maxMemoryBytes is 0");
    }
}
