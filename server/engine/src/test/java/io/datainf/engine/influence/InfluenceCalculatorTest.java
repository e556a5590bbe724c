package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementType;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Threads, cancellation and lifetime; scores themselves are tested elsewhere. */
class InfluenceCalculatorTest {

    private static final InfluenceMethod DATAINF = new InfluenceMethod.DataInf();

    private final Random random = new Random(11);

    @ParameterizedTest
    @CsvSource({"F32, 1300", "BF16, 1300", "F32, 50"})
    void scores_haveEqualBits_forAnyThreadCount(ElementType type, int n) {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(301, 5, 64, 130), type, gaussian(random, n, 500))) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 3, 500));
            List<double[]> expected = scores(request, 1);
            for (int threads : new int[] {2, 3, 8, 1}) {
                List<double[]> actual = scores(request, threads);
                for (int j = 0; j < 3; j++) {
                    assertThat(actual.get(j)).containsExactly(expected.get(j));
                }
            }
        }
    }

    private static boolean onKernelThread() {
        return Thread.currentThread().getName().startsWith("datainf-kernel-");
    }

    private static List<double[]> scores(InfluenceRequest request, int threads) {
        try (InfluenceCalculator calculator = InfluenceCalculator.create(threads);
                InfluenceScores scores = onlyScores(calculator, request)) {
            List<double[]> rows = new ArrayList<>();
            for (int j = 0; j < request.validationCount(); j++) {
                rows.add(row(scores, j, request.samples().rowCount()));
            }
            return rows;
        }
    }

    @Test
    void concurrentComputations_answerAsAlone() throws Exception {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(60, 5), ElementType.F32, gaussian(random, 600, 65));
                InfluenceCalculator calculator = InfluenceCalculator.create(2);
                ExecutorService callers = Executors.newFixedThreadPool(6)) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 2, 65));
            List<double[]> expected = scores(request, 1);
            List<Future<double[]>> answers = new ArrayList<>();
            for (int i = 0; i < 30; i++) {
                answers.add(callers.submit(() -> {
                    try (InfluenceScores scores = onlyScores(calculator, request)) {
                        return row(scores, 1, 600);
                    }
                }));
            }
            for (Future<double[]> answer : answers) {
                assertThat(answer.get()).containsExactly(expected.get(1));
            }
        }
    }

    @Test
    void cancelled_beforeStart_throws() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(6), ElementType.F32, gaussian(random, 90, 6));
                InfluenceCalculator calculator = InfluenceCalculator.create(1)) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 1, 6));
            assertThatThrownBy(() -> onlyScores(calculator, request, () -> true))
                    .isInstanceOf(CancellationException.class);
        }
    }

    @Test
    void cancelled_atAnyTime_throwsAndAsksNoFurther_andCalculatorGoesOn() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(60, 5), ElementType.F32, gaussian(random, 1000, 65));
                InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 1, 65));
            AtomicInteger total = new AtomicInteger();
            onlyScores(calculator, request, () -> total.incrementAndGet() < 0).close();
            assertThat(total.get()).isGreaterThan(10); // asked often enough to stop within a tile
            for (int last = 1; last <= total.get(); last++) {
                AtomicInteger asked = new AtomicInteger();
                int stopAt = last;
                assertThatThrownBy(() -> onlyScores(calculator, request, () -> asked.incrementAndGet() >= stopAt))
                        .isInstanceOf(CancellationException.class);
                assertThat(asked.get()).isBetween(stopAt, stopAt + 1); // each of two threads at most once more
            }
            onlyScores(calculator, request).close();
        }
    }

    @Test
    void interruptedCaller_throws_andStaysInterrupted() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(60, 5), ElementType.F32, gaussian(random, 1000, 65));
                InfluenceCalculator calculator = InfluenceCalculator.create(1)) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 1, 65));
            Thread caller = Thread.currentThread();
            assertThatThrownBy(() -> onlyScores(calculator, request, () -> {
                        if (onKernelThread()) {
                            caller.interrupt();
                        }
                        return false;
                    }))
                    .isInstanceOf(CancellationException.class);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void failureInATask_reachesTheCaller() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(6), ElementType.F32, gaussian(random, 90, 6));
                InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 1, 6));
            assertThatThrownBy(() -> onlyScores(calculator, request, () -> {
                        if (onKernelThread()) {
                            throw new UnsupportedOperationException("from a kernel thread");
                        }
                        return false;
                    }))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessage("from a kernel thread");
        }
    }

    @Test
    void closedCalculator_throws() {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(6), ElementType.F32, gaussian(random, 90, 6))) {
            InfluenceCalculator calculator = InfluenceCalculator.create(2);
            calculator.close();
            InfluenceRequest request = samples.request(DATAINF, gaussian(random, 1, 6));
            assertThatThrownBy(() -> onlyScores(calculator, request)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void closedScores_throw() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(6), ElementType.F32, gaussian(random, 90, 6));
                InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            InfluenceScores scores = onlyScores(calculator, samples.request(DATAINF, gaussian(random, 1, 6)));
            scores.close();
            assertThatThrownBy(() -> scores.score(0, 0)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void scores_outsideTheTable_throw() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(6), ElementType.F32, gaussian(random, 90, 6));
                InfluenceCalculator calculator = InfluenceCalculator.create(2);
                InfluenceScores scores = onlyScores(calculator, samples.request(DATAINF, gaussian(random, 2, 6)))) {
            assertThatThrownBy(() -> scores.score(0, 90)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> scores.score(2, 0)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> scores.blockScore(1, 0, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void warmUp_leavesCalculatorUsable_andEngineHasAName() {
        try (InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            calculator.warmUp(WorkMonitor.of(() -> false));
            assertThat(calculator.engineName()).isEqualTo("vector");
        }
    }

    @Test
    void warmUp_ends_whenCancelled() {
        try (InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            assertThatThrownBy(() -> calculator.warmUp(WorkMonitor.of(() -> true)))
                    .isInstanceOf(CancellationException.class);
        }
    }

    @Test
    void threadCount_belowOne_throws() {
        assertThatThrownBy(() -> InfluenceCalculator.create(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("threadCount is 0");
    }
}
