package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.kernel.SimulatedCuda;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Golden cases with cuBLAS on the simulated device, in single precision whatever the number of samples. */
class CublasScoresTest {

    private static final double TOLERANCE = 1e-5;
    private static final double BF16_TOLERANCE = 1e-4;
    private static final long DEVICE_BYTES = 2L << 30;

    private static final Numerics ALWAYS_SINGLE =
            new Numerics(0, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, null);

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    @BeforeEach
    void reset() {
        assumeThat(SimulatedCuda.present()).isTrue();
        SimulatedCuda.reset(DEVICE_BYTES, true);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_equalsReference(String name) throws IOException {
        check(name, new InfluenceMethod.DataInf(), "score.datainf");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void hessianFree_equalsReference(String name) throws IOException {
        check(name, new InfluenceMethod.HessianFree(), "score.hessian_free");
    }

    /** Against float64 on the rows as they are stored. */
    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_ofBfloat16_equalsFloat64OnTheStoredRows(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        Numerics alwaysDouble = new Numerics(Integer.MAX_VALUE, 0, 0, null);
        try (InfluenceCalculator device =
                        InfluenceCalculator.create(2, SimulatedCuda.options(DEVICE_BYTES / 2), ALWAYS_SINGLE);
                InfluenceCalculator oracle = InfluenceCalculator.create(2, alwaysDouble);
                StoredSamples samples = new StoredSamples(golden.layout(), ElementType.BF16, golden.train())) {
            InfluenceRequest request = samples.request(new InfluenceMethod.DataInf(), golden.validation());
            try (InfluenceScores actual = onlyScores(device, request);
                    InfluenceScores expected = onlyScores(oracle, request)) {
                int n = golden.train().length;
                for (int j = 0; j < golden.validation().length; j++) {
                    double[] scores = new double[n];
                    for (int k = 0; k < n; k++) {
                        scores[k] = expected.score(j, k);
                    }
                    assertScores(actual, j, scores, BF16_TOLERANCE);
                }
            }
            assertWorkedOnTheDevice(device);
        }
    }

    private static void check(String name, InfluenceMethod method, String expected) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] values = golden.arrays().doubles(expected);
        int n = golden.train().length;
        try (InfluenceCalculator calculator =
                        InfluenceCalculator.create(2, SimulatedCuda.options(DEVICE_BYTES / 2), ALWAYS_SINGLE);
                StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = onlyScores(calculator, samples.request(method, golden.validation()))) {
            assertThat(calculator.engineName()).isEqualTo("cublas");
            for (int j = 0; j < golden.validation().length; j++) {
                assertScores(scores, j, Arrays.copyOfRange(values, j * n, (j + 1) * n), TOLERANCE);
            }
            assertWorkedOnTheDevice(calculator);
        }
    }

    private static void assertWorkedOnTheDevice(InfluenceCalculator calculator) {
        assertThat(calculator.deviceFigures().orElseThrow().hostPieceCount()).isZero();
        assertThat(calculator.deviceFigures().orElseThrow().uploadedBytes()).isPositive();
        assertThat(SimulatedCuda.broken()).isEmpty();
    }
}
