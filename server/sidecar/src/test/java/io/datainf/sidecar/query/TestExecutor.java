package io.datainf.sidecar.query;

import static org.assertj.core.api.Assertions.assertThat;

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
import io.datainf.engine.store.StoreEvents;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** An executor over runs of random gradients. Closing it checks that nothing is held any more. */
final class TestExecutor implements AutoCloseable, QueryEvents {

    static final int DIMENSION = 48;
    static final int SAMPLES = 300; // more than a row tile, and single precision
    static final long PATIENCE_SECONDS = 60;

    final AtomicInteger failed = new AtomicInteger();
    final Queue<Integer> batchWidths = new ConcurrentLinkedQueue<>();
    final Queue<Double> scannedBytes = new ConcurrentLinkedQueue<>();
    final QueryExecutor executor;
    private final InfluenceCalculator calculator = InfluenceCalculator.create(2);
    private final CountDownLatch release = new CountDownLatch(1);
    private final List<CompletableFuture<QueryAnswer>> occupying = new ArrayList<>();
    private final RunRegistry runs;

    TestExecutor(Path dataDirectory, QueryLimits limits) throws Exception {
        runs = RunRegistry.open(dataDirectory, 1 << 30, StoreEvents.NONE);
        executor = new QueryExecutor(calculator, limits, this);
    }

    /** Creates a run of two blocks. */
    Run createRun(String id) throws Exception {
        BlockLayout layout = BlockLayout.of(List.of(new Block("b0", 1, DIMENSION - 16), new Block("b1", 1, 16)));
        Run run = runs.create(new RunDefinition(new RunId(id), layout, ElementType.F32, 0.1, "", Map.of()));
        append(run, 1, 0, SAMPLES);
        return run;
    }

    /** Stores samples with ids {@code firstId} and following. */
    static void append(Run run, long batchSeq, int firstId, int count) throws Exception {
        try (RunWriter writer = run.openWriter("w");
                Arena arena = Arena.ofShared()) {
            MemorySegment rows = arena.allocate((long) count * DIMENSION * Float.BYTES, Float.BYTES);
            long[] ids = new long[count];
            SplittableRandom random = new SplittableRandom(firstId);
            for (int i = 0; i < count; i++) {
                ids[i] = (long) firstId + i;
                double norm = Math.exp(random.nextGaussian());
                for (int j = 0; j < DIMENSION; j++) {
                    float value = (float) (norm * random.nextGaussian());
                    rows.setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * DIMENSION + j, value);
                }
            }
            writer.append(new SampleBatch(batchSeq, ids, new long[0], ElementType.F32, rows))
                    .toCompletableFuture()
                    .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }

    /** A query of some stored samples as validation points. */
    static QueryPlan plan(Run run, boolean reproducible, long... points) {
        return plan(run, new QueryOptions(false, Normalization.RAW, 0, reproducible), points);
    }

    static QueryPlan plan(Run run, QueryOptions options, long... points) {
        return plan(run, new InfluenceMethod.DataInf(), options, points);
    }

    static QueryPlan plan(Run run, InfluenceMethod method, QueryOptions options, long... points) {
        return new QueryPlan(
                run,
                new StoredSamples(points),
                false,
                method,
                List.of(new Damping.Scaled(0.1)),
                new SampleSelection.All(),
                options);
    }

    CompletableFuture<QueryAnswer> submit(QueryPlan plan, Object client, BooleanSupplier cancelled) {
        CompletableFuture<QueryAnswer> future = new CompletableFuture<>();
        executor.submit(plan, client, cancelled, new QueryListener() {
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

    CompletableFuture<QueryAnswer> submit(QueryPlan plan) {
        return submit(plan, this, () -> false);
    }

    /** Keeps the thread of short queries busy until {@link #release}. */
    void occupy(Run run) throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        Thread submitter = Thread.currentThread();
        occupying.add(submit(plan(run, true, 0), new Object(), () -> {
            if (!Thread.currentThread().equals(submitter)) {
                running.countDown();
                awaitUninterruptibly(release);
            }
            return false;
        }));
        running.await();
    }

    void release() {
        release.countDown();
    }

    static QueryAnswer get(CompletableFuture<QueryAnswer> future) throws Exception {
        return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    static Throwable failure(CompletableFuture<QueryAnswer> future) throws Exception {
        Throwable failure =
                future.<@Nullable Throwable>handle((answer, cause) -> cause).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        return Objects.requireNonNull(failure, "the query was answered");
    }

    /** Whether the calling thread is one of those that run kernels, where cancellation is asked for between tiles. */
    static boolean insideKernels() {
        return Thread.currentThread().getName().startsWith("datainf-kernel");
    }

    /** Scores of one point, for the only damping. */
    static double[] scores(QueryAnswer answer, int point) {
        double[] scores = new double[(int) answer.sampleCount()];
        for (int row = 0; row < scores.length; row++) {
            scores[row] = answer.score(0, point, row);
        }
        return scores;
    }

    /** Asks and returns the scores of each point. */
    double[][] ask(QueryPlan plan) throws Exception {
        try (QueryAnswer answer = get(submit(plan))) {
            double[][] scores = new double[answer.queryCount()][];
            for (int point = 0; point < scores.length; point++) {
                scores[point] = scores(answer, point);
            }
            return scores;
        }
    }

    @Override
    public void batchComputed(
            String engineName, InfluenceMethod method, int pointCount, long computeNanos, double scannedBytes) {
        batchWidths.add(pointCount);
        this.scannedBytes.add(scannedBytes);
    }

    @Override
    public void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos) {}

    @Override
    public void queryFailed(InfluenceMethod method, QueryFailure failure) {
        failed.incrementAndGet();
    }

    @Override
    public void queryRefused() {}

    @Override
    public void close() {
        release();
        occupying.forEach(future -> future.join().close());
        executor.close();
        assertThat(executor.memory().usedBytes()).isZero();
        calculator.close();
        runs.close();
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
