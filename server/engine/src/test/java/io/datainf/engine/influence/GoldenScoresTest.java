package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.relativeError;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Golden cases: what the paper's reference code answers in float64. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenScoresTest {

    // What the product promises, row-wise; the handmade case is small enough for float64 throughout.
    private static final double TOLERANCE = 1e-5;
    private static final double HANDMADE_TOLERANCE = 1e-6;
    // Both sides are float64.
    private static final double LAMBDA_TOLERANCE = 1e-12;
    private static final Numerics ALWAYS_SINGLE =
            new Numerics(0, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, null);
    private static final InfluenceMethod DATAINF = new InfluenceMethod.DataInf();
    private static final InfluenceMethod HESSIAN_FREE = new InfluenceMethod.HessianFree();

    private InfluenceCalculator calculator;
    private InfluenceCalculator single;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
        single = InfluenceCalculator.create(2, ALWAYS_SINGLE);
    }

    @AfterAll
    void close() {
        calculator.close();
        single.close();
    }

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = compute(samples, DATAINF, golden.validation())) {
            assertRows(golden, scores, "score.datainf", golden.train().length);
            assertLambda(scores, golden.arrays().doubles("lambda"));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void hessianFree_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = compute(samples, HESSIAN_FREE, golden.validation())) {
            assertRows(golden, scores, "score.hessian_free", golden.train().length);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_perBlock_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] expected = golden.arrays().doubles("score_by_block.datainf");
        int n = golden.train().length;
        int m = golden.validation().length;
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = compute(samples, DATAINF, golden.validation())) {
            for (int l = 0; l < golden.layout().blockCount(); l++) {
                for (int j = 0; j < m; j++) {
                    double[] row = Arrays.copyOfRange(expected, (l * m + j) * n, (l * m + j + 1) * n);
                    double greatest = Arrays.stream(row).map(Math::abs).max().orElseThrow();
                    for (int k = 0; k < n; k++) {
                        assertThat(scores.blockScore(l, j, k)).isCloseTo(row[k], within(tolerance(golden) * greatest));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_meanOfValidation_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        float[] mean = new float[golden.layout().dimension()];
        for (int i = 0; i < mean.length; i++) {
            double sum = 0;
            for (float[] v : golden.validation()) {
                sum += v[i];
            }
            mean[i] = (float) (sum / golden.validation().length);
        }
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = compute(samples, DATAINF, mean)) {
            assertScores(scores, 0, golden.arrays().doubles("score_valmean.datainf"), tolerance(golden));
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_ofTrainingGradients_hasReferenceSelfInfluence(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] expected = golden.arrays().doubles("self_influence");
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = compute(samples, DATAINF, golden.train())) {
            for (int k = 0; k < expected.length; k++) {
                double greatest = Arrays.stream(ScoreAssertions.row(scores, k, expected.length))
                        .map(Math::abs)
                        .max()
                        .orElseThrow();
                assertThat(scores.score(k, k)).isCloseTo(expected[k], within(tolerance(golden) * greatest));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_afterEachPrefix_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        assertThat(golden.prefixes()).isNotEmpty();
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32)) {
            int streamed = 0;
            for (int prefix : golden.prefixes()) {
                while (streamed < prefix) {
                    samples.add(golden.train()[streamed]);
                    streamed++;
                }
                try (InfluenceScores scores = compute(samples, DATAINF, golden.validation())) {
                    assertRows(golden, scores, "prefix%d.score.datainf".formatted(prefix), prefix);
                    assertLambda(scores, golden.arrays().doubles("prefix%d.lambda".formatted(prefix)));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"heavy-tailed", "lora-r4-minilm"})
    void dataInf_inSinglePrecision_errsLessThanItsBound(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] expected = golden.arrays().doubles("score.datainf");
        int n = golden.train().length;
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train())) {
            for (int j = 0; j < golden.validation().length; j++) {
                try (InfluenceScores scores = onlyScores(single, samples.request(DATAINF, golden.validation()[j]))) {
                    double error = relativeError(scores, 0, Arrays.copyOfRange(expected, j * n, (j + 1) * n));
                    assertThat(scores.recomputedInDouble()).isFalse();
                    assertThat(error)
                            .isGreaterThan(1e-12) // single precision indeed
                            .isLessThan(scores.relativeErrorBound().orElseThrow())
                            .isLessThan(TOLERANCE);
                }
            }
        }
    }

    private InfluenceScores compute(StoredSamples samples, InfluenceMethod method, float[]... validation) {
        return onlyScores(calculator, samples.request(method, validation));
    }

    private static double tolerance(GoldenCase golden) {
        return golden.name().equals("tiny-handmade") ? HANDMADE_TOLERANCE : TOLERANCE;
    }

    private static void assertRows(GoldenCase golden, InfluenceScores scores, String expected, int n) {
        double[] values = golden.arrays().doubles(expected);
        for (int j = 0; j < golden.validation().length; j++) {
            assertScores(scores, j, Arrays.copyOfRange(values, j * n, (j + 1) * n), tolerance(golden));
        }
    }

    private static void assertLambda(InfluenceScores scores, double[] expected) {
        for (int l = 0; l < expected.length; l++) {
            assertThat(scores.lambda()[l]).isCloseTo(expected[l], within(LAMBDA_TOLERANCE * expected[l]));
        }
    }
}
