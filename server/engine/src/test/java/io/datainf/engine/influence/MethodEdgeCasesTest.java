package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.memory.ElementType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every method, and every solver of EXACT, where gradients are few, zero, repeated or dead, against the formulas in float64. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MethodEdgeCasesTest {

    private static final double TOLERANCE = 1e-5; // what the product promises
    private static final double NORM_TOLERANCE = 1e-5; // of |h|
    private static final InfluenceMethod.Exact EXACT = new InfluenceMethod.Exact(1e-10, 1L << 30);
    private static final int MANY = 150; // enough for single precision and for several tiles of a matrix

    private final Random random = new Random(3);

    static List<Arguments> methods() {
        List<Arguments> arguments = new ArrayList<>();
        for (InfluenceMethod method : List.of(
                new InfluenceMethod.DataInf(),
                new InfluenceMethod.HessianFree(),
                new InfluenceMethod.Lissa(5, 0.05),
                new InfluenceMethod.LissaReference(5, 0.05))) {
            arguments.add(Arguments.of(method, Solver.GRAM));
        }
        for (Solver solver : Solver.values()) {
            arguments.add(Arguments.of(EXACT, solver));
        }
        return arguments;
    }

    @ParameterizedTest
    @MethodSource("methods")
    void oneSample_equalsReference(InfluenceMethod method, Solver solver) {
        assertEqualsReference(method, solver, gaussian(random, 1, 83), 0);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void manySamples_equalReference(InfluenceMethod method, Solver solver) {
        assertEqualsReference(method, solver, gaussian(random, MANY, 83), 0);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void zeroBlock_isSkipped(InfluenceMethod method, Solver solver) {
        float[][] rows = gaussian(random, MANY, 83);
        for (float[] row : rows) {
            Arrays.fill(row, 70, 80, 0);
        }
        assertEqualsReference(method, solver, rows, 0);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void allBlocksZero_scoreZero(InfluenceMethod method, Solver solver) {
        try (StoredSamples samples = samples(new float[MANY][83]);
                InfluenceCalculator calculator = calculator(solver);
                InfluenceScores scores = onlyScores(calculator, samples.request(method, gaussian(random, 2, 83)))) {
            assertThat(row(scores, 1, MANY)).containsOnly(0);
            assertThat(scores.relativeErrorBound()).hasValue(0);
            assertThat(scores.inverseHvpNorm(1)).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("methods")
    void repeatedSamples_equalReference(InfluenceMethod method, Solver solver) {
        float[][] rows = gaussian(random, MANY, 83);
        for (int k = 0; k < 100; k++) {
            rows[k] = rows[120];
        }
        assertEqualsReference(method, solver, rows, 0);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void deadRows_countForNothing(InfluenceMethod method, Solver solver) {
        assertEqualsReference(method, solver, gaussian(random, MANY, 83), 31);
    }

    @ParameterizedTest
    @MethodSource("methods")
    void zeroValidation_scoresZero(InfluenceMethod method, Solver solver) {
        try (StoredSamples samples = samples(gaussian(random, MANY, 83));
                InfluenceCalculator calculator = calculator(solver);
                InfluenceScores scores = onlyScores(calculator, samples.request(method, new float[83]))) {
            assertThat(row(scores, 0, MANY)).containsOnly(0);
            assertThat(scores.relativeErrorBound()).hasValue(0);
            assertThat(scores.solverReport().map(SolverReport::relativeResidual).orElse(0.0))
                    .isZero();
        }
    }

    private void assertEqualsReference(InfluenceMethod method, Solver solver, float[][] rows, int killed) {
        float[][] v = Arrays.copyOf(gaussian(random, 3, 83), 4);
        v[3] = rows[0];
        try (StoredSamples samples = samples(rows);
                InfluenceCalculator calculator = calculator(solver)) {
            IntStream.range(0, killed).forEach(i -> samples.kill(3 * i));
            try (InfluenceScores scores = onlyScores(calculator, samples.request(method, v))) {
                for (int j = 0; j < v.length; j++) {
                    double[] expected = ReferenceDataInf.scores(samples, v[j], method);
                    assertScores(scores, j, expected, TOLERANCE);
                    assertScores(
                            scores, j, expected, scores.relativeErrorBound().orElseThrow());
                    double norm = norm(samples, v[j], method);
                    assertThat(scores.inverseHvpNorm(j)).isCloseTo(norm, within(NORM_TOLERANCE * norm));
                    for (int k = 0; k < rows.length; k++) {
                        double sum = 0;
                        for (int l = 0; l < samples.layout.blockCount(); l++) {
                            sum += scores.blockScore(l, j, k);
                        }
                        assertThat(sum).isCloseTo(scores.score(j, k), within(1e-12 * (1 + Math.abs(sum))));
                    }
                }
            }
        }
    }

    private static double norm(StoredSamples samples, float[] v, InfluenceMethod method) {
        double[] lambda = ReferenceDataInf.lambda(samples);
        double squares = 0;
        for (int l = 0; l < lambda.length; l++) {
            if (lambda[l] != 0) {
                double[] block = new double[samples.layout.width(l)];
                for (int e = 0; e < block.length; e++) {
                    block[e] = v[samples.layout.offset(l) + e];
                }
                for (double h : ReferenceDataInf.inverseHvp(samples, block, l, lambda[l], method)) {
                    squares += h * h;
                }
            }
        }
        return Math.sqrt(squares);
    }

    private static StoredSamples samples(float[][] rows) {
        return new StoredSamples(StoredSamples.layout(70, 10, 1, 2), ElementType.F32, rows);
    }

    private static InfluenceCalculator calculator(Solver solver) {
        return InfluenceCalculator.create(2, new Numerics(64, TOLERANCE, TOLERANCE, solver));
    }
}
