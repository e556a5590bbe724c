package io.datainf.sidecar.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AnalysisExecutorTest {

    private final CountDownLatch running = new CountDownLatch(1);
    private final CountDownLatch release = new CountDownLatch(1);
    private TestExecutor executor;
    private AnalysisExecutor analyses;
    private Run run;

    @BeforeEach
    void open(@TempDir Path dataDirectory) throws Exception {
        executor = new TestExecutor(dataDirectory, QueryLimits.DEFAULT);
        analyses = executor.executor.analyses();
        run = executor.createRun("r1");
    }

    @AfterEach
    void close() {
        release.countDown();
        executor.close();
    }

    private static <T> AnalysisListener<T> completing(CompletableFuture<T> future) {
        return new AnalysisListener<>() {
            @Override
            public void progressed(double fraction) {}

            @Override
            public void answered(T answer) {
                future.complete(answer);
            }

            @Override
            public void failed(Throwable cause) {
                future.completeExceptionally(cause);
            }
        };
    }

    private CompletableFuture<SelfInfluenceAnswer> selfInfluence(BooleanSupplier cancelled) {
        CompletableFuture<SelfInfluenceAnswer> future = new CompletableFuture<>();
        SelfInfluencePlan plan = new SelfInfluencePlan(run, new Damping.Scaled(0.1), Optional.empty(), 0);
        analyses.submit(plan, cancelled, completing(future));
        return future;
    }

    private CompletableFuture<ComparisonAnswer> comparison() {
        CompletableFuture<ComparisonAnswer> future = new CompletableFuture<>();
        ValidationGradients points = executor.executor.allocate(run.definition().layout(), 1, ElementType.F32);
        ComparisonPlan plan = new ComparisonPlan(
                run,
                points,
                List.of(new InfluenceMethod.DataInf()),
                InfluenceMethod.Exact.DEFAULT,
                new Damping.Scaled(0.1),
                0);
        analyses.submit(plan, () -> false, completing(future));
        return future;
    }

    private boolean blockInsideKernels() {
        if (TestExecutor.insideKernels()) {
            running.countDown();
            try {
                release.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
        return false;
    }

    private static Throwable failure(CompletableFuture<?> future) throws Exception {
        Throwable failure = future.<@Nullable Throwable>handle((answer, cause) -> cause)
                .get(TestExecutor.PATIENCE_SECONDS, TimeUnit.SECONDS);
        return Objects.requireNonNull(failure, "the job was answered");
    }

    @Test
    void job_cancelledWhileItRuns_stopsAndKeepsNothing() throws Exception {
        assertThat(failure(selfInfluence(TestExecutor::insideKernels))).isInstanceOf(CancellationException.class);
        SelfInfluencePlan plan = new SelfInfluencePlan(run, new Damping.Scaled(0.1), Optional.empty(), 0);
        assertThat(analyses.estimate(plan).multiplications()).isPositive();
    }

    @Test
    void close_jobsThatRunOrWait_failAndLetGo() throws Exception {
        CompletableFuture<SelfInfluenceAnswer> first = selfInfluence(this::blockInsideKernels);
        assertThat(running.await(TestExecutor.PATIENCE_SECONDS, TimeUnit.SECONDS))
                .isTrue();
        CompletableFuture<ComparisonAnswer> waiting = comparison();
        assertThat(analyses.jobCount()).isEqualTo(2);
        Thread closer = Thread.ofPlatform().start(analyses::close);
        assertThat(failure(waiting)).isInstanceOf(QueryExecutorClosedException.class);
        release.countDown();
        assertThat(failure(first)).isInstanceOf(QueryExecutorClosedException.class);
        closer.join();
        assertThatThrownBy(this::comparison).isInstanceOf(QueryExecutorClosedException.class);
        assertThat(executor.executor.memory().usedBytes()).isZero();
    }

    @Test
    void queries_doNotWaitForJobs() throws Exception {
        CompletableFuture<SelfInfluenceAnswer> first = selfInfluence(() -> {
            boolean isJobThread = Thread.currentThread().getName().equals("datainf-analysis");
            if (isJobThread) {
                running.countDown();
                try {
                    release.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
            return false;
        });
        assertThat(running.await(TestExecutor.PATIENCE_SECONDS, TimeUnit.SECONDS))
                .isTrue();
        assertThat(executor.ask(TestExecutor.plan(run, false, 1))[0]).hasSize(TestExecutor.SAMPLES);
        assertThat(first).isNotDone();
        release.countDown();
        assertThat(first.get(TestExecutor.PATIENCE_SECONDS, TimeUnit.SECONDS).values())
                .hasSize(TestExecutor.SAMPLES);
    }

    @Test
    void progress_isThinnedOutAndOnlyGoesUp() {
        ProgressSteps steps = new ProgressSteps();
        int told = 0;
        for (int i = 0; i <= 10_000; i++) {
            told += steps.reached(i / 10_000.0) ? 1 : 0;
        }
        assertThat(told).isEqualTo(50);
        assertThat(steps.reached(0.5)).isFalse();
        assertThat(steps.reached(1)).isFalse();
    }

    @Test
    void speed_guessesFromWhatWasMeasured() {
        EngineSpeed speed = new EngineSpeed();
        long before = speed.guessNanos(1e9);
        assertThat(before).isPositive();
        speed.measured(1e12, 1_000_000_000);
        assertThat(speed.guessNanos(1e12)).isEqualTo(1_000_000_000);
        speed.measured(1, 10); // too short to say anything
        assertThat(speed.guessNanos(1e12)).isEqualTo(1_000_000_000);
        speed.measured(1, 1_000_000_000); // slower: believed little by little
        assertThat(speed.guessNanos(1e12)).isBetween(1_000_000_001L, 1_100_000_000L);
    }
}
