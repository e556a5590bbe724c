package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.kernel.Nd4jTestEngine;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Golden cases with ND4J: as the product computes them, and in single precision whatever the number of samples. */
class Nd4jScoresTest {

    private static final double TOLERANCE = 1e-5;

    private static final Numerics ALWAYS_SINGLE =
            new Numerics(0, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, null);

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_equalsReference(String name) throws IOException {
        check(name, Numerics.DEFAULT, new InfluenceMethod.DataInf(), "score.datainf");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void hessianFree_equalsReference(String name) throws IOException {
        check(name, Numerics.DEFAULT, new InfluenceMethod.HessianFree(), "score.hessian_free");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void dataInf_inSinglePrecision_equalsReference(String name) throws IOException {
        check(name, ALWAYS_SINGLE, new InfluenceMethod.DataInf(), "score.datainf");
    }

    private static void check(String name, Numerics numerics, InfluenceMethod method, String expected)
            throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] values = golden.arrays().doubles(expected);
        int n = golden.train().length;
        try (InfluenceCalculator calculator = InfluenceCalculator.create(2, Nd4jTestEngine.options(), numerics);
                StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = onlyScores(calculator, samples.request(method, golden.validation()))) {
            assertThat(calculator.engineName()).startsWith("nd4j");
            for (int j = 0; j < golden.validation().length; j++) {
                assertScores(scores, j, Arrays.copyOfRange(values, j * n, (j + 1) * n), TOLERANCE);
            }
        }
    }
}
