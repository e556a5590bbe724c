package io.datainf.sidecar.query;

import static io.datainf.sidecar.query.TestExecutor.failure;
import static io.datainf.sidecar.query.TestExecutor.get;
import static io.datainf.sidecar.query.TestExecutor.plan;
import static io.datainf.sidecar.query.TestExecutor.scores;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.UnknownSampleException;
import io.datainf.sidecar.Await;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MicroBatchingTest {

    // Kernels for one column and for several add up in another order.
    private static final double TOLERANCE = 1e-6;
    private static final int SCORE_BYTES = TestExecutor.SAMPLES * Double.BYTES;
    private static final int POINT_BYTES = TestExecutor.DIMENSION * Float.BYTES;

    @TempDir
    private Path dataDirectory;

    private TestExecutor executor;
    private Run run;

    @BeforeEach
    void open() throws Exception {
        open(new QueryLimits(64, 1 << 20, 1 << 20));
    }

    private void open(QueryLimits limits) throws Exception {
        executor = new TestExecutor(dataDirectory, limits);
        run = executor.createRun("r1");
    }

    @AfterEach
    void close() {
        executor.close();
    }

    private static void assertClose(double[] actual, double[] expected) {
        double greatest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
        assertThat(actual).containsExactly(expected, within(TOLERANCE * greatest));
    }

    @Test
    void queries_thatWaitTogether_shareOneComputationAndSnapshot() throws Exception {
        double[][] alone = new double[20][];
        for (int point = 0; point < alone.length; point++) {
            alone[point] = executor.ask(plan(run, false, point))[0];
        }
        executor.batchWidths.clear();
        executor.occupy(run);
        List<CompletableFuture<QueryAnswer>> waiting = new ArrayList<>();
        for (int point = 0; point < alone.length; point += 2) {
            waiting.add(executor.submit(plan(run, false, point, point + 1)));
        }
        TestExecutor.append(run, 2, 1_000, 1);
        assertThat(executor.batchWidths).isEmpty();
        // The sample that has come changes all scores: what they are is what a query alone sees after the batch.
        executor.release();
        for (int i = 0; i < waiting.size(); i++) {
            try (QueryAnswer answer = get(waiting.get(i))) {
                assertThat(answer.batchQueryCount()).isEqualTo(10);
                assertThat(answer.revision()).isEqualTo(TestExecutor.SAMPLES + 1);
                assertThat(answer.queueNanos()).isPositive();
                double[][] later = executor.ask(plan(run, false, 2L * i, 2L * i + 1));
                assertClose(scores(answer, 0), later[0]);
                assertClose(scores(answer, 1), later[1]);
                assertThat(scores(answer, 0)).hasSize(alone[0].length + 1);
            }
        }
        assertThat(executor.batchWidths).startsWith(1, 20);
    }

    @Test
    void readings_areCounted_forEveryMethod() throws Exception {
        double reading = (double) TestExecutor.SAMPLES * TestExecutor.DIMENSION * Float.BYTES;
        QueryOptions options = new QueryOptions(false, Normalization.RAW, 0, true);
        executor.ask(plan(run, new InfluenceMethod.Exact(1e-6, 1 << 19), options, 1, 2));
        executor.ask(plan(run, new InfluenceMethod.Lissa(3, 1e-3), options, 1, 2));
        executor.ask(plan(run, options, 1, 2));
        List<Double> readings =
                executor.scannedBytes.stream().map(bytes -> bytes / reading).toList();
        // Products of elements and scores; three steps and scores; sums and scores. Twice if single precision is not
        // enough.
        assertThat(readings).hasSize(3);
        assertThat(readings.get(0)).isEqualTo(2);
        assertThat(readings.get(1)).isGreaterThanOrEqualTo(4);
        assertThat(readings.get(2)).isIn(2.0, 4.0);
    }

    @Test
    void queries_aloneAndInABatch_agree() throws Exception {
        double[][] alone = {executor.ask(plan(run, false, 3))[0], executor.ask(plan(run, false, 4))[0]};
        executor.occupy(run);
        CompletableFuture<QueryAnswer> third = executor.submit(plan(run, false, 3));
        CompletableFuture<QueryAnswer> fourth = executor.submit(plan(run, false, 4));
        executor.release();
        try (QueryAnswer one = get(third);
                QueryAnswer other = get(fourth)) {
            assertThat(one.batchQueryCount()).isEqualTo(2);
            assertClose(scores(one, 0), alone[0]);
            assertClose(scores(other, 0), alone[1]);
        }
    }

    @Test
    void query_reproducible_runsAloneAndIsBitIdentical() throws Exception {
        double[] alone = executor.ask(plan(run, true, 5))[0];
        executor.occupy(run);
        List<CompletableFuture<QueryAnswer>> waiting = new ArrayList<>();
        for (int point = 4; point < 8; point++) {
            waiting.add(executor.submit(plan(run, point == 5, point)));
        }
        executor.release();
        for (int i = 0; i < waiting.size(); i++) {
            try (QueryAnswer answer = get(waiting.get(i))) {
                assertThat(answer.batchQueryCount()).isEqualTo(i == 1 ? 1 : 3);
                if (i == 1) {
                    assertThat(scores(answer, 0)).containsExactly(alone);
                }
            }
        }
    }

    @Test
    void queries_thatDiffer_areComputedApart() throws Exception {
        QueryOptions perBlock = new QueryOptions(true, Normalization.RAW, 0, false);
        QueryPlan hessianFree = new QueryPlan(
                run,
                new StoredSamples(new long[] {1}),
                false,
                new InfluenceMethod.HessianFree(),
                List.of(new Damping.Scaled(0.1)),
                new SampleSelection.All(),
                new QueryOptions(false, Normalization.RAW, 0, false));
        executor.occupy(run);
        List<CompletableFuture<QueryAnswer>> waiting = List.of(
                executor.submit(plan(run, false, 1)),
                executor.submit(plan(run, perBlock, 1)),
                executor.submit(hessianFree),
                executor.submit(damped(new Damping.Fixed(new double[] {0.5}))),
                executor.submit(damped(new Damping.Fixed(new double[] {0.5}))),
                executor.submit(damped(new Damping.Fixed(new double[] {0.25}))));
        executor.release();
        List<Integer> widths = new ArrayList<>();
        for (CompletableFuture<QueryAnswer> future : waiting) {
            try (QueryAnswer answer = get(future)) {
                widths.add(answer.batchQueryCount());
            }
        }
        assertThat(widths).containsExactly(1, 1, 1, 2, 2, 1);
    }

    private QueryPlan damped(Damping damping) {
        return new QueryPlan(
                run,
                new StoredSamples(new long[] {1}),
                false,
                new InfluenceMethod.DataInf(),
                List.of(damping),
                new SampleSelection.All(),
                new QueryOptions(false, Normalization.RAW, 0, false));
    }

    @Test
    void batch_ofMoreThan32Points_isCut() throws Exception {
        executor.occupy(run);
        List<CompletableFuture<QueryAnswer>> waiting = new ArrayList<>();
        for (int i = 0; i < 9; i++) {
            waiting.add(executor.submit(plan(run, false, 0, 1, 2, 3, 4)));
        }
        waiting.add(executor.submit(plan(run, false, 0, 1)));
        executor.release();
        for (CompletableFuture<QueryAnswer> future : waiting) {
            get(future).close();
        }
        // A smaller query that fits goes along.
        assertThat(executor.batchWidths).containsExactly(1, 32, 15);
    }

    @Test
    void member_thatFails_leavesTheOthersAlone() throws Exception {
        executor.occupy(run);
        CompletableFuture<QueryAnswer> good = executor.submit(plan(run, false, 1));
        CompletableFuture<QueryAnswer> unknown = executor.submit(plan(run, false, 9_999));
        CompletableFuture<QueryAnswer> early =
                executor.submit(plan(run, new QueryOptions(false, Normalization.RAW, 5_000, false), 2));
        CompletableFuture<QueryAnswer> other = executor.submit(plan(run, false, 3));
        executor.release();
        assertThat(failure(unknown)).isInstanceOf(UnknownSampleException.class);
        assertThat(failure(early)).isInstanceOf(RevisionNotReachedException.class);
        get(good).close();
        get(other).close();
        assertThat(executor.batchWidths).containsExactly(1, 2);
    }

    @Test
    void member_thatIsCancelledBefore_isLeftOut() throws Exception {
        AtomicBoolean gone = new AtomicBoolean();
        executor.occupy(run);
        CompletableFuture<QueryAnswer> cancelled = executor.submit(plan(run, false, 1), this, gone::get);
        CompletableFuture<QueryAnswer> other = executor.submit(plan(run, false, 2));
        gone.set(true);
        executor.release();
        assertThat(failure(cancelled)).isInstanceOf(CancellationException.class);
        get(other).close();
        assertThat(executor.batchWidths).containsExactly(1, 1);
    }

    @Test
    void member_thatIsCancelledMeanwhile_doesNotStopTheOthers() throws Exception {
        executor.occupy(run);
        CompletableFuture<QueryAnswer> cancelled =
                executor.submit(plan(run, false, 1), this, TestExecutor::insideKernels);
        CompletableFuture<QueryAnswer> other = executor.submit(plan(run, false, 2));
        executor.release();
        try (QueryAnswer answer = get(other)) {
            assertThat(answer.batchQueryCount()).isEqualTo(2);
        }
        get(cancelled).close(); // whoever asked closes it; nobody else is concerned
    }

    @Test
    void batch_whoseMembersAreAllCancelled_stops() throws Exception {
        executor.occupy(run);
        List<CompletableFuture<QueryAnswer>> waiting = new ArrayList<>();
        for (int point = 0; point < 2; point++) {
            waiting.add(executor.submit(plan(run, false, point), this, TestExecutor::insideKernels));
        }
        executor.release();
        for (CompletableFuture<QueryAnswer> future : waiting) {
            assertThat(failure(future)).isInstanceOf(CancellationException.class);
        }
        assertThat(executor.batchWidths).containsExactly(1);
        Await.until("both failures", () -> executor.failed.get() >= 2);
    }

    @Test
    void batch_thatDoesNotFitIntoMemory_goesInParts() throws Exception {
        executor.close();
        // What the running query and two waiting ones hold, and no more.
        open(new QueryLimits(8, 3L * SCORE_BYTES + 6L * POINT_BYTES, 1 << 20), "r2");
        executor.occupy(run);
        List<CompletableFuture<?>> waiting = new ArrayList<>();
        for (int point = 0; point < 4; point++) {
            // Closed before the next batch begins: answers hold memory too.
            waiting.add(executor.submit(plan(run, false, point)).thenAccept(QueryAnswer::close));
        }
        executor.release();
        for (CompletableFuture<?> future : waiting) {
            future.get(TestExecutor.PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        assertThat(executor.batchWidths.stream().mapToInt(Integer::intValue).sum())
                .isEqualTo(5);
        assertThat(executor.batchWidths).hasSizeGreaterThan(2);
    }

    private void open(QueryLimits limits, String runId) throws Exception {
        executor = new TestExecutor(dataDirectory, limits);
        run = executor.createRun(runId);
    }

    @Test
    void runs_takeTurns() throws Exception {
        Run other = executor.createRun("r2");
        List<String> order = new ArrayList<>();
        executor.occupy(run);
        List<CompletableFuture<?>> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            all.add(answered(executor.submit(plan(run, true, i)), "r1", order));
        }
        all.add(answered(executor.submit(plan(other, true, 0)), "r2", order));
        all.add(answered(executor.submit(plan(other, true, 1)), "r2", order));
        executor.release();
        all.forEach(CompletableFuture::join);
        assertThat(order).containsExactly("r1", "r2", "r1", "r2", "r1");
    }

    /** On the only thread that answers. */
    private static CompletableFuture<?> answered(
            CompletableFuture<QueryAnswer> future, String name, List<String> order) {
        return future.thenAccept(answer -> {
            order.add(name);
            answer.close();
        });
    }

    @Test
    void queue_full_refuses() throws Exception {
        executor.close();
        open(new QueryLimits(1, 1 << 20, 1 << 20), "r3");
        executor.occupy(run);
        CompletableFuture<QueryAnswer> waiting = executor.submit(plan(run, false, 1));
        assertThatThrownBy(() -> executor.submit(plan(run, false, 1))).isInstanceOf(QueryQueueFullException.class);
        executor.release();
        get(waiting).close();
    }

    @Test
    void longMethods_doNotWaitForShortOnes() throws Exception {
        executor.occupy(run);
        QueryPlan lissa = new QueryPlan(
                run,
                new StoredSamples(new long[] {1}),
                false,
                new InfluenceMethod.Lissa(2, 1e-3),
                List.of(new Damping.Scaled(0.1)),
                new SampleSelection.All(),
                new QueryOptions(false, Normalization.RAW, 0, false));
        get(executor.submit(lissa)).close();
        executor.release();
    }
}
