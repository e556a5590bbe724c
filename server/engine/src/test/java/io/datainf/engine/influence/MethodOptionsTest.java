package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.relativeError;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.influence.MethodComparison.MethodFigures;
import io.datainf.engine.memory.ElementType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Several dampings, reports, limits, progress, cancellation, comparison and self-influence. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MethodOptionsTest {

    // Columns of float32 may be summed in another order when there are others beside them.
    private static final double SINGLE_TOLERANCE = 1e-6;
    private static final int DIMENSION = 130;
    private static final InfluenceMethod DATAINF = new InfluenceMethod.DataInf();
    private static final List<Damping> DAMPINGS = List.of(
            new Damping.Scaled(0.1),
            new Damping.Scaled(10),
            new Damping.Fixed(new double[] {0.5}),
            new Damping.Fixed(new double[] {1e-3, 2, 3}));

    private final Random random = new Random(17);
    private InfluenceCalculator calculator;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
    }

    @AfterAll
    void close() {
        calculator.close();
    }

    static List<InfluenceMethod> methods() {
        return List.of(
                DATAINF,
                new InfluenceMethod.HessianFree(),
                new InfluenceMethod.Lissa(4, 0.1),
                new InfluenceMethod.LissaReference(4, 0.1),
                InfluenceMethod.Exact.DEFAULT);
    }

    private static StoredSamples samples(Random random, int count) {
        return new StoredSamples(StoredSamples.layout(99, 1, 30), ElementType.F32, gaussian(random, count, DIMENSION));
    }

    private static InfluenceRequest request(
            StoredSamples samples, InfluenceMethod method, List<Damping> dampings, float[]... v) {
        return new InfluenceRequest(samples.set(), v.length, StoredSamples.segment(v), method, dampings, true, false);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void severalDampings_answerAsEachAlone(InfluenceMethod method) {
        float[][] v = gaussian(random, 3, DIMENSION);
        for (int n : new int[] {40, 300}) {
            double tolerance = n == 300 ? SINGLE_TOLERANCE : 1e-12;
            try (StoredSamples samples = samples(random, n)) {
                List<InfluenceScores> together =
                        calculator.compute(request(samples, method, DAMPINGS, v), WorkMonitor.of(() -> false));
                assertThat(together).hasSize(DAMPINGS.size());
                for (int d = 0; d < DAMPINGS.size(); d++) {
                    try (InfluenceScores scores = together.get(d);
                            InfluenceScores alone =
                                    onlyScores(calculator, request(samples, method, List.of(DAMPINGS.get(d)), v))) {
                        assertThat(scores.lambda()).containsExactly(alone.lambda());
                        assertThat(relativeError(scores, 2, row(alone, 2, n))).isLessThan(tolerance);
                        assertThat(scores.inverseHvpNorm(1))
                                .isCloseTo(alone.inverseHvpNorm(1), within(tolerance * alone.inverseHvpNorm(1)));
                    }
                }
            }
        }
    }

    @Test
    void moreDampingsThanColumns_areAnsweredEach() {
        List<Damping> many = IntStream.rangeClosed(1, 70)
                .<Damping>mapToObj(i -> new Damping.Scaled(0.01 * i))
                .toList();
        float[][] v = gaussian(random, 2, DIMENSION);
        try (StoredSamples samples = samples(random, 100)) {
            List<InfluenceScores> together =
                    calculator.compute(request(samples, DATAINF, many, v), WorkMonitor.of(() -> false));
            try (InfluenceScores last = onlyScores(calculator, request(samples, DATAINF, many.subList(69, 70), v))) {
                assertThat(relativeError(together.get(69), 1, row(last, 1, 100)))
                        .isLessThan(SINGLE_TOLERANCE);
            }
            together.forEach(InfluenceScores::close);
        }
    }

    @Test
    void badDampingAmongGoodOnes_failsTheRequest() {
        List<Damping> dampings = List.of(new Damping.Scaled(0.1), new Damping.Fixed(new double[] {1, 2}));
        try (StoredSamples samples = samples(random, 80)) {
            InfluenceRequest request = request(samples, DATAINF, dampings, gaussian(random, 1, DIMENSION));
            assertThatThrownBy(() -> calculator.compute(request, WorkMonitor.of(() -> false)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("damping has 2 values");
            assertThatThrownBy(() -> request(samples, DATAINF, List.of(), gaussian(random, 1, DIMENSION)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("dampings is empty");
        }
    }

    @Test
    void lissa_withSmallSteps_convergesToExact() {
        try (StoredSamples samples = samples(random, 300)) {
            float[] v = gaussian(random, 1, DIMENSION)[0];
            List<Damping> damping = List.of(new Damping.Scaled(5));
            try (InfluenceScores exact =
                            onlyScores(calculator, request(samples, InfluenceMethod.Exact.DEFAULT, damping, v));
                    InfluenceScores lissa =
                            onlyScores(calculator, request(samples, new InfluenceMethod.Lissa(300, 0.1), damping, v))) {
                SolverReport report = lissa.solverReport().orElseThrow();
                assertThat(report.converged()).isTrue();
                assertThat(report.iterations()).isEqualTo(300);
                assertThat(report.solver()).isEqualTo("lissa");
                assertThat(relativeError(lissa, 0, row(exact, 0, 300))).isLessThan(1e-5);
            }
        }
    }

    @Test
    void lissa_withLargeSteps_isReportedAsNotConverged_andFailsWhenNotFinite() {
        try (StoredSamples samples = samples(random, 80)) {
            float[] v = gaussian(random, 1, DIMENSION)[0];
            try (InfluenceScores scores =
                    onlyScores(calculator, samples.request(new InfluenceMethod.Lissa(10, 100), v))) {
                assertThat(scores.solverReport().orElseThrow().converged()).isFalse();
                assertThat(scores.solverReport().orElseThrow().relativeResidual())
                        .isGreaterThan(1);
            }
            InfluenceRequest endless = samples.request(new InfluenceMethod.Lissa(1000, 100), v);
            assertThatThrownBy(() -> calculator.compute(endless, WorkMonitor.of(() -> false)))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("alpha is 100.0")
                    .hasMessageContaining("block0");
        }
    }

    @Test
    void exact_withLittleMemory_takesConjugateGradients_withLessStillFails() {
        try (StoredSamples samples = samples(random, 80)) {
            float[][] v = gaussian(random, 5, DIMENSION);
            long enough = 99 * 6 * 8;
            try (InfluenceScores scores =
                            onlyScores(calculator, samples.request(new InfluenceMethod.Exact(1e-9, enough), v));
                    InfluenceScores direct =
                            onlyScores(calculator, samples.request(InfluenceMethod.Exact.DEFAULT, v))) {
                // The block of one element has room for a matrix.
                assertThat(scores.solverReport().orElseThrow().solver()).startsWith("cg");
                assertThat(scores.solverReport().orElseThrow().converged()).isTrue();
                assertThat(direct.solverReport().orElseThrow().solver()).doesNotContain("cg");
                for (int j = 0; j < 5; j++) {
                    assertThat(relativeError(scores, j, row(direct, j, 80))).isLessThan(1e-7);
                }
            }
            InfluenceRequest tooLittle = samples.request(new InfluenceMethod.Exact(1e-6, enough - 1), v);
            assertThatThrownBy(() -> calculator.compute(tooLittle, WorkMonitor.of(() -> false)))
                    .isInstanceOfSatisfying(MemoryLimitException.class, e -> {
                        assertThat(e.neededBytes()).isEqualTo(enough);
                        assertThat(e.limitBytes()).isEqualTo(enough - 1);
                    })
                    .hasMessageContaining(Long.toString(enough));
        }
    }

    @Test
    void exact_withDampingBelowRounding_throws() {
        float[][] rows = new float[20][];
        Arrays.fill(rows, gaussian(random, 1, DIMENSION)[0]); // of rank 1
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(99, 1, 30), ElementType.F32, rows)) {
            InfluenceRequest request = request(
                    samples,
                    InfluenceMethod.Exact.DEFAULT,
                    List.of(new Damping.Fixed(new double[] {1e-300})),
                    gaussian(random, 1, DIMENSION));
            assertThatThrownBy(() -> calculator.compute(request, WorkMonitor.of(() -> false)))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("not positive definite");
        }
    }

    @ParameterizedTest
    @MethodSource("methods")
    void progress_risesToOne(InfluenceMethod method) {
        List<Double> fractions = Collections.synchronizedList(new ArrayList<>());
        try (StoredSamples samples = samples(random, 1100)) {
            InfluenceRequest request = samples.request(method, gaussian(random, 2, DIMENSION));
            calculator.compute(request, recording(fractions)).forEach(InfluenceScores::close);
        }
        assertThat(fractions).isSorted().endsWith(1.0).hasSizeBetween(2, 101);
        assertThat(fractions.getFirst()).isBetween(0.0, 0.9);
    }

    private static WorkMonitor recording(List<Double> fractions) {
        return new WorkMonitor() {
            @Override
            public boolean cancelled() {
                return false;
            }

            @Override
            public void progress(double fraction) {
                fractions.add(fraction);
            }
        };
    }

    @ParameterizedTest
    @MethodSource("methods")
    void cancelled_atAnyTime_throws_andCalculatorGoesOn(InfluenceMethod method) {
        try (StoredSamples samples = samples(random, 1100)) {
            InfluenceRequest request = samples.request(method, gaussian(random, 1, DIMENSION));
            AtomicInteger total = new AtomicInteger();
            onlyScores(calculator, request, () -> total.incrementAndGet() < 0).close();
            assertThat(total.get()).isGreaterThan(10);
            for (int last = 1; last <= total.get(); last += 1 + total.get() / 20) {
                AtomicInteger asked = new AtomicInteger();
                int stopAt = last;
                assertThatThrownBy(() -> onlyScores(calculator, request, () -> asked.incrementAndGet() >= stopAt))
                        .isInstanceOf(CancellationException.class);
                assertThat(asked.get()).isBetween(stopAt, stopAt + 1);
            }
            onlyScores(calculator, request).close();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 50, 400})
    void selfInfluence_equalsScoresOfSamplesOnThemselves(int n) {
        float[][] rows = gaussian(random, n, DIMENSION);
        for (int k = 0; k < n / 2; k++) {
            rows[k] = rows[n - 1].clone(); // cancels: float64 has to step in
        }
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(99, 1, 30), ElementType.BF16, rows)) {
            if (n > 1) {
                samples.kill(n - 2);
            }
            Damping damping = new Damping.Scaled(0.1);
            SelfInfluenceRequest all = SelfInfluenceRequest.all(samples.set(), damping);
            double[] scores = calculator.selfInfluence(all, WorkMonitor.of(() -> false));
            assertThat(scores).hasSize(samples.liveCount());
            for (int i = 0; i < scores.length; i += 37) {
                int k = all.ordinals()[i];
                double expected = ReferenceDataInf.scores(samples, stored(samples, k), DATAINF)[k];
                assertThat(scores[i]).isCloseTo(expected, within(1e-5 * Math.abs(expected)));
            }
            int[] some = {all.ordinals()[scores.length / 2], all.ordinals()[0]};
            double[] few = calculator.selfInfluence(
                    new SelfInfluenceRequest(samples.set(), damping, some), WorkMonitor.of(() -> false));
            assertThat(few[0]).isCloseTo(scores[scores.length / 2], within(1e-5 * Math.abs(few[0])));
            assertThat(few[1]).isCloseTo(scores[0], within(1e-5 * Math.abs(few[1])));
            assertThat(all.multiplications()).isEqualTo((double) samples.liveCount() * samples.liveCount() * DIMENSION);
        }
    }

    private static float[] stored(StoredSamples samples, int k) {
        float[] row = new float[DIMENSION];
        for (int l = 0; l < samples.layout.blockCount(); l++) {
            double[] block = samples.block(k, l);
            for (int e = 0; e < block.length; e++) {
                row[samples.layout.offset(l) + e] = (float) block[e];
            }
        }
        return row;
    }

    @Test
    void selfInfluence_isCancellable_tellsProgress_andChecksOrdinals() {
        try (StoredSamples samples = samples(random, 700)) {
            SelfInfluenceRequest all = SelfInfluenceRequest.all(samples.set(), new Damping.Scaled(0.1));
            List<Double> fractions = Collections.synchronizedList(new ArrayList<>());
            calculator.selfInfluence(all, recording(fractions));
            assertThat(fractions).isSorted().endsWith(1.0).hasSizeBetween(5, 101);
            AtomicInteger asked = new AtomicInteger();
            assertThatThrownBy(() -> calculator.selfInfluence(all, WorkMonitor.of(() -> asked.incrementAndGet() >= 40)))
                    .isInstanceOf(CancellationException.class);
            samples.kill(5);
            SampleSet set = samples.set();
            for (int bad : new int[] {-1, 5, 700}) {
                assertThatThrownBy(() -> new SelfInfluenceRequest(set, new Damping.Scaled(1), new int[] {0, bad}))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageContaining("ordinal is " + bad);
            }
        }
    }

    @Test
    void comparison_measuresMethodsAgainstExact() {
        try (StoredSamples samples = samples(random, 90)) {
            samples.kill(4);
            InfluenceRequest request = samples.request(InfluenceMethod.Exact.DEFAULT, gaussian(random, 2, DIMENSION));
            List<Double> fractions = Collections.synchronizedList(new ArrayList<>());
            MethodComparison comparison = calculator.compareMethods(
                    request,
                    List.of(InfluenceMethod.Exact.DEFAULT, DATAINF, new InfluenceMethod.Lissa(9, 1)),
                    recording(fractions));
            assertThat(fractions).isSorted().endsWith(1.0);
            MethodFigures same = comparison.methods().getFirst();
            assertThat(same.points()).allSatisfy(point -> {
                assertThat(point.pearson()).isCloseTo(1, within(1e-12));
                assertThat(point.spearman()).isCloseTo(1, within(1e-12));
                assertThat(point.relativeError()).isZero();
            });
            assertThat(comparison.methods().get(1).points()).hasSize(2).allSatisfy(point -> {
                assertThat(point.relativeError()).isPositive();
                assertThat(point.spearman()).isBetween(0.5, 1.0);
            });
            assertThat(comparison.methods().get(2).solverReport()).isPresent();
            assertThat(comparison.exact().computeDuration()).isPositive();
            assertThat(comparison.gradientNorms()).hasSize(3);
            assertThat(comparison.gradientNorms().get(1).min()).isGreaterThanOrEqualTo(0);
        }
    }

    @Test
    void comparison_ofOtherThanExact_orSeveralDampings_throws() {
        try (StoredSamples samples = samples(random, 10)) {
            float[] v = gaussian(random, 1, DIMENSION)[0];
            assertThatThrownBy(() -> calculator.compareMethods(
                            samples.request(DATAINF, v), List.of(), WorkMonitor.of(() -> false)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("expected Exact");
            assertThatThrownBy(() -> calculator.compareMethods(
                            request(samples, InfluenceMethod.Exact.DEFAULT, DAMPINGS, v),
                            List.of(),
                            WorkMonitor.of(() -> false)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("4 entries: expected 1");
        }
    }

    @Test
    void methods_checkTheirSettings() {
        assertThatThrownBy(() -> new InfluenceMethod.Lissa(0, 1)).hasMessageContaining("iterations is 0");
        assertThatThrownBy(() -> new InfluenceMethod.LissaReference(1, Double.NaN))
                .hasMessageContaining("alpha is NaN");
        assertThatThrownBy(() -> new InfluenceMethod.Exact(0, 1)).hasMessageContaining("tolerance is 0.0");
        assertThatThrownBy(() -> new InfluenceMethod.Exact(0.1, 0)).hasMessageContaining("memoryLimitBytes is 0");
    }
}
