package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.relativeError;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Layouts of real models, n about 300, against the float64 reference on the stored values. */
class ReferenceComparisonTest {

    private static final long SEED = 31;
    private static final int SAMPLES = 300;
    private static final double TOLERANCE = 1e-5;
    private static final Numerics ALWAYS_SINGLE =
            new Numerics(0, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, null);

    @ParameterizedTest
    @CsvSource({
        "96, 4096, F32", // RoBERTa-large, rank 4
        "24, 4096, BF16",
        "5, 32768, F32", // Llama, rank 8
        "5, 32768, BF16"
    })
    void dataInf_onLayoutOfRealModel_equalsReference(int blockCount, int width, ElementType type) {
        int[] widths = new int[blockCount];
        Arrays.fill(widths, width);
        BlockLayout layout = StoredSamples.layout(widths);
        SplittableRandom random = new SplittableRandom(SEED);
        float[] common = noise(random, layout.dimension());
        try (StoredSamples samples = new StoredSamples(layout, type);
                InfluenceCalculator calculator = InfluenceCalculator.create(2);
                InfluenceCalculator single = InfluenceCalculator.create(2, ALWAYS_SINGLE)) {
            for (int i = 0; i < SAMPLES; i++) {
                samples.add(gradient(random, common));
            }
            float[] related = gradient(random, common);
            float[] unrelated = noise(random, layout.dimension());
            for (float[] v : new float[][] {related, unrelated}) {
                double[] expected = ReferenceDataInf.scores(samples, v, new InfluenceMethod.DataInf());
                assertError(calculator, samples, v, expected);
                assertSingleWillDo(calculator, samples, v);
                assertError(single, samples, v, expected);
            }
        }
    }

    private static void assertError(
            InfluenceCalculator calculator, StoredSamples samples, float[] v, double[] expected) {
        InfluenceRequest request = samples.request(new InfluenceMethod.DataInf(), v);
        try (InfluenceScores scores = onlyScores(calculator, request)) {
            assertThat(relativeError(scores, 0, expected))
                    .describedAs("seed %d", SEED)
                    .isLessThan(TOLERANCE)
                    .isLessThan(scores.relativeErrorBound().orElseThrow());
        }
    }

    private static void assertSingleWillDo(InfluenceCalculator calculator, StoredSamples samples, float[] v) {
        try (InfluenceScores scores = onlyScores(calculator, samples.request(new InfluenceMethod.DataInf(), v))) {
            assertThat(scores.recomputedInDouble())
                    .describedAs("bound %s", scores.relativeErrorBound())
                    .isFalse();
        }
    }

    /** What samples have in common, more or less of it, and noise: about as correlated as real gradients. */
    private static float[] gradient(SplittableRandom random, float[] common) {
        float[] gradient = noise(random, common.length);
        double share = 0.1 * random.nextGaussian();
        double scale = Math.exp(random.nextGaussian());
        for (int e = 0; e < common.length; e++) {
            gradient[e] = (float) (scale * (gradient[e] + share * common[e]));
        }
        return gradient;
    }

    private static float[] noise(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int e = 0; e < count; e++) {
            values[e] = (float) (random.nextInt() * 0x1p-31);
        }
        return values;
    }
}
