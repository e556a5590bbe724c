package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.DoubleAdder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** The solvers of EXACT on matrices of several tiles. */
class ExactSolversTest {

    private static final int N = 600;
    private static final int DIMENSION = 570;
    private static final InfluenceMethod.Exact EXACT = new InfluenceMethod.Exact(1e-12, 1L << 30);

    private final Random random = new Random(29);
    private final StoredSamples samples =
            new StoredSamples(StoredSamples.layout(540, 30), ElementType.F32, gaussian(random, N, DIMENSION));
    private final float[][] validation = gaussian(random, 11, DIMENSION);

    private static InfluenceCalculator calculator(int threads, Solver solver) {
        return InfluenceCalculator.create(threads, new Numerics(64, 1e-5, 1e-5, solver));
    }

    @Test
    void solvers_agree() {
        try (samples;
                InfluenceCalculator gram = calculator(2, Solver.GRAM);
                InfluenceCalculator cholesky = calculator(2, Solver.CHOLESKY);
                InfluenceCalculator iterated = calculator(2, Solver.CONJUGATE_GRADIENTS)) {
            for (int i = 0; i < 50; i++) {
                samples.kill(7 * i);
            }
            InfluenceRequest request = samples.request(EXACT, validation);
            try (InfluenceScores expected = onlyScores(iterated, request)) {
                for (InfluenceCalculator calculator : List.of(gram, cholesky)) {
                    try (InfluenceScores scores = onlyScores(calculator, request)) {
                        for (int j = 0; j < validation.length; j++) {
                            assertScores(scores, j, row(expected, j, N), 1e-9);
                        }
                        assertThat(scores.solverReport().orElseThrow().converged())
                                .isTrue();
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void scores_areBitIdentical_forAnyNumberOfThreads(Solver solver) {
        try (samples;
                InfluenceCalculator one = calculator(1, solver);
                InfluenceCalculator three = calculator(3, solver)) {
            InfluenceRequest request = samples.request(EXACT, validation);
            try (InfluenceScores expected = onlyScores(one, request);
                    InfluenceScores actual = onlyScores(three, request)) {
                for (int j = 0; j < validation.length; j++) {
                    assertThat(row(actual, j, N)).isEqualTo(row(expected, j, N));
                    assertThat(actual.inverseHvpNorm(j)).isEqualTo(expected.inverseHvpNorm(j));
                }
                assertThat(actual.relativeErrorBound()).isEqualTo(expected.relativeErrorBound());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = "CONJUGATE_GRADIENTS")
    void cancelled_stopsBeforeTheNextTile(Solver solver) {
        try (samples;
                InfluenceCalculator calculator = calculator(2, solver)) {
            InfluenceRequest request = samples.request(EXACT, validation);
            AtomicInteger total = new AtomicInteger();
            onlyScores(calculator, request, () -> total.incrementAndGet() < 0).close();
            // Products, factor, solution and check of 3 x 3 tiles.
            assertThat(total.get()).isGreaterThan(50);
            for (int stopAt = 1; stopAt <= total.get(); stopAt += 1 + total.get() / 40) {
                int last = stopAt;
                AtomicInteger asked = new AtomicInteger();
                assertThatThrownBy(() -> onlyScores(calculator, request, () -> asked.incrementAndGet() >= last))
                        .isInstanceOf(CancellationException.class);
                assertThat(asked.get()).isBetween(last, last + 1);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void readings_areCounted(Solver solver) {
        DoubleAdder bytes = new DoubleAdder();
        try (samples;
                InfluenceCalculator calculator = calculator(2, solver)) {
            InfluenceRequest request = samples.request(EXACT, validation);
            InfluenceScores scores = calculator
                    .compute(request, new WorkMonitor() {
                        @Override
                        public boolean cancelled() {
                            return false;
                        }

                        @Override
                        public void progress(double fraction) {
                            assertThat(fraction).isBetween(0.0, 1.0);
                        }

                        @Override
                        public void scanned(double more) {
                            bytes.add(more);
                        }
                    })
                    .getFirst();
            double reading = (double) N * DIMENSION * Float.BYTES;
            int iterations = scores.solverReport().orElseThrow().iterations();
            scores.close();
            if (solver == Solver.CONJUGATE_GRADIENTS) {
                // The narrow block needs fewer steps, and both another reading for the residual and one for the scores.
                assertThat(bytes.sum()).isBetween(3 * reading, (iterations + 2) * reading);
            } else {
                assertThat(bytes.sum()).isEqualTo(2 * reading);
            }
        }
    }

    @Test
    void memoryLimit_decidesWhetherAMatrixIsFormed() {
        float[][] few = Arrays.copyOf(gaussian(random, 300, DIMENSION), 300);
        try (samples;
                StoredSamples narrow = new StoredSamples(StoredSamples.layout(DIMENSION), ElementType.F32, few);
                InfluenceCalculator calculator = InfluenceCalculator.create(2)) {
            List<DampingAnswer> answers =
                    List.of(new DampingAnswer(narrow.request(EXACT, validation), new Damping.Scaled(0.1)));
            InfluenceRequest request = narrow.request(EXACT, validation);
            SolverChoice gram = SolverChoice.choose(request, EXACT, answers, 0, Solver.GRAM);
            answers.forEach(DampingAnswer::close);
            long enough = (long) gram.byteCount();
            assertThat(enough).isBetween(2L * 8 * 300 * 300 / 2, 2L * 8 * 300 * 300 + 8L * 300 * 400);
            assertThat(solver(calculator, narrow, enough)).isEqualTo("gram");
            assertThat(solver(calculator, narrow, enough - 1)).isEqualTo("cg");
        }
    }

    private String solver(InfluenceCalculator calculator, StoredSamples set, long memoryLimitBytes) {
        InfluenceMethod.Exact method = new InfluenceMethod.Exact(1e-12, memoryLimitBytes);
        try (InfluenceScores scores = onlyScores(calculator, set.request(method, validation))) {
            return scores.solverReport().orElseThrow().solver();
        }
    }
}
