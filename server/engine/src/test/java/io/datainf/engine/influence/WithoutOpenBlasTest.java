package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.memory.ElementType;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Whoever deletes the folder of ND4J's jars has no OpenBLAS: EXACT takes conjugate gradients, and scores are as right. */
class WithoutOpenBlasTest {

    @Test
    void exact_inAJvmWithoutOpenBlas_takesConjugateGradients() throws Exception {
        String classPath = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .filter(entry -> !entry.contains("bytedeco"))
                .collect(Collectors.joining(File.pathSeparator));
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules",
                        "jdk.incubator.vector",
                        "-cp",
                        classPath,
                        Child.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(child.waitFor()).as(output).isZero();
        assertThat(output).contains("solved by cg");
    }

    /** Computes a golden case; ends with 0 if the scores are right. */
    static final class Child {

        private Child() {}

        public static void main(String[] arguments) throws IOException {
            GoldenCase golden = GoldenCase.read("lora-r4-minilm");
            double[] expected = golden.arrays().doubles("score.exact");
            int n = golden.train().length;
            try (InfluenceCalculator calculator = InfluenceCalculator.create(1);
                    StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                    InfluenceScores scores = onlyScores(
                            calculator, samples.request(InfluenceMethod.Exact.DEFAULT, golden.validation()))) {
                for (int j = 0; j < golden.validation().length; j++) {
                    assertScores(scores, j, Arrays.copyOfRange(expected, j * n, (j + 1) * n), 1e-4);
                }
                System.out.println(
                        "solved by " + scores.solverReport().orElseThrow().solver());
            }
        }
    }
}
