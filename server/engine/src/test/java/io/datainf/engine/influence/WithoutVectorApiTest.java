package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A Java runtime may lack the incubating Vector API: the engine "auto" is then ND4J, and scores are as right. */
class WithoutVectorApiTest {

    @ParameterizedTest
    @ValueSource(strings = {"datainf", "hessian_free", "lissa_plus", "exact"})
    void golden_inAJvmWithoutTheModule_equalsReference(String method) throws Exception {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Child.class.getName(),
                        method)
                .redirectErrorStream(true)
                .start();
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(child.waitFor()).as(output).isZero();
        assertThat(output).contains("computed by nd4j");
    }

    /** Computes one golden case; ends with 0 if the scores are right. */
    static final class Child {

        private Child() {}

        public static void main(String[] arguments) throws IOException {
            InfluenceMethod method = switch (arguments[0]) {
                case "datainf" -> new InfluenceMethod.DataInf();
                case "hessian_free" -> new InfluenceMethod.HessianFree();
                case "lissa_plus" -> InfluenceMethod.Lissa.DEFAULT;
                default -> InfluenceMethod.Exact.DEFAULT;
            };
            GoldenCase golden = GoldenCase.read("lora-r4-minilm");
            double[] expected = golden.arrays().doubles("score." + arguments[0]);
            int n = golden.train().length;
            try (InfluenceCalculator calculator = InfluenceCalculator.create(1, EngineOptions.DEFAULT);
                    StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                    InfluenceScores scores = onlyScores(calculator, samples.request(method, golden.validation()))) {
                for (int j = 0; j < golden.validation().length; j++) {
                    assertScores(scores, j, Arrays.copyOfRange(expected, j * n, (j + 1) * n), 1e-5);
                }
                System.out.println("computed by " + calculator.engineName());
            }
        }
    }
}
