package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.relativeError;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InfluenceEdgeCasesTest {

    private static final double TOLERANCE = 1e-5; // what the product promises
    private static final double DOUBLE_TOLERANCE = 1e-10; // both sides float64, with cancellation
    private static final InfluenceMethod DATAINF = new InfluenceMethod.DataInf();
    private static final InfluenceMethod HESSIAN_FREE = new InfluenceMethod.HessianFree();
    private static final int MANY = 300; // enough for single precision, more than one tile

    private final Random random = new Random(7);
    private InfluenceCalculator calculator;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
    }

    @AfterAll
    void close() {
        calculator.close();
    }

    private InfluenceScores compute(StoredSamples samples, InfluenceMethod method, float[]... v) {
        return onlyScores(calculator, samples.request(method, v));
    }

    private void assertEqualsReference(StoredSamples samples, double tolerance, float[]... v) {
        for (InfluenceMethod method : new InfluenceMethod[] {DATAINF, HESSIAN_FREE}) {
            try (InfluenceScores scores = compute(samples, method, v)) {
                for (int j = 0; j < v.length; j++) {
                    assertScores(scores, j, ReferenceDataInf.scores(samples, v[j], method), tolerance);
                }
            }
        }
    }

    private static float[] scaled(float[] values, double factor) {
        float[] scaled = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            scaled[i] = (float) (factor * values[i]);
        }
        return scaled;
    }

    @Test
    void oneSample_equalsReference() {
        float[][] v = gaussian(random, 3, 1100);
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(1000, 99, 1), ElementType.F32, gaussian(random, 1, 1100))) {
            assertEqualsReference(samples, DOUBLE_TOLERANCE, v);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 63, 64, 65, 255, 256, 257, 513})
    void anySampleCount_equalsReference(int n) {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(61, 7, 1), ElementType.F32, gaussian(random, n, 69))) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 2, 69));
        }
    }

    @Test
    void zeroGradient_scoresZero_andCountsInN() {
        float[][] rows = gaussian(random, MANY, 40);
        rows[17] = new float[40];
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(39, 1), ElementType.F32, rows)) {
            float[] v = gaussian(random, 1, 40)[0];
            assertEqualsReference(samples, TOLERANCE, v);
            try (InfluenceScores scores = compute(samples, DATAINF, v)) {
                assertThat(scores.score(0, 17)).isZero();
            }
        }
    }

    @Test
    void zeroBlock_hasNoDampingAndContributesNothing() {
        float[][] rows = gaussian(random, MANY, 30);
        for (float[] row : rows) {
            Arrays.fill(row, 10, 20, 0);
        }
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(10, 10, 10), ElementType.F32, rows)) {
            float[] v = gaussian(random, 1, 30)[0];
            assertEqualsReference(samples, TOLERANCE, v);
            try (InfluenceScores scores = compute(samples, DATAINF, v)) {
                assertThat(scores.lambda()[1]).isZero();
                assertThat(scores.lambda()[0]).isPositive();
                assertThat(scores.blockScore(1, 0, 5)).isZero();
                assertThat(scores.blockScore(0, 0, 5) + scores.blockScore(2, 0, 5))
                        .isEqualTo(scores.score(0, 5));
            }
        }
    }

    @Test
    void allBlocksZero_scoreZeroWithoutError() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(5, 3), ElementType.F32, new float[MANY][8]);
                InfluenceScores scores = compute(samples, DATAINF, gaussian(random, 2, 8))) {
            assertThat(row(scores, 1, MANY)).containsOnly(0);
            assertThat(scores.lambda()).containsOnly(0);
            assertThat(scores.relativeErrorBound()).hasValue(0);
            assertThat(scores.recomputedInDouble()).isFalse();
        }
    }

    @Test
    void zeroValidationGradient_scoresZero() {
        try (StoredSamples samples =
                        new StoredSamples(StoredSamples.layout(9), ElementType.F32, gaussian(random, MANY, 9));
                InfluenceScores scores = compute(samples, DATAINF, new float[9])) {
            assertThat(row(scores, 0, MANY)).containsOnly(0);
            assertThat(scores.relativeErrorBound()).hasValue(0);
            assertThat(scores.recomputedInDouble()).isFalse();
        }
    }

    @Test
    void duplicateSamples_scoreAlike() {
        float[][] rows = gaussian(random, MANY, 50);
        rows[299] = rows[3].clone();
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(50), ElementType.F32, rows);
                InfluenceScores scores = compute(samples, DATAINF, gaussian(random, 1, 50))) {
            assertThat(scores.score(0, 299)).isEqualTo(scores.score(0, 3));
        }
    }

    @Test
    void blocksOfOneElement_equalReference() {
        int[] widths = new int[40];
        Arrays.fill(widths, 1);
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(widths), ElementType.F32, gaussian(random, MANY, 40))) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 2, 40));
        }
    }

    @Test
    void normsOverTwelveDecades_equalReference() {
        float[][] rows = gaussian(random, MANY, 200);
        for (int i = 0; i < MANY; i++) {
            rows[i] = scaled(rows[i], Math.pow(10, -6 + 12.0 * i / MANY));
        }
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(150, 50), ElementType.F32, rows)) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 2, 200)[0], rows[0], rows[150], rows[299]);
        }
    }

    @Test
    void validationParallelToOneSample_equalsReference() {
        float[][] rows = gaussian(random, MANY, 700);
        rows[123] = scaled(rows[123], 1e5);
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(700), ElementType.F32, rows)) {
            assertEqualsReference(samples, TOLERANCE, scaled(rows[123], -3e-5), scaled(rows[5], 2));
        }
    }

    @Test
    void repeatedRows_alongValidation_areComputedAgainInDouble() {
        float[] repeated = gaussian(random, 1, 4096)[0];
        float[][] rows = new float[100][];
        Arrays.fill(rows, repeated);
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(4096), ElementType.F32, rows);
                InfluenceCalculator single = InfluenceCalculator.create(
                        1, new Numerics(0, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, null))) {
            double[] expected = ReferenceDataInf.scores(samples, repeated, DATAINF);
            try (InfluenceScores scores = compute(samples, DATAINF, repeated)) {
                assertThat(scores.recomputedInDouble()).isTrue();
                assertThat(scores.relativeErrorBound().orElseThrow()).isLessThan(TOLERANCE);
                assertScores(scores, 0, expected, 1e-9);
            }
            try (InfluenceScores scores = onlyScores(single, samples.request(DATAINF, repeated))) {
                assertThat(relativeError(scores, 0, expected))
                        .isGreaterThan(TOLERANCE) // or the case would not test the guard
                        .isLessThan(scores.relativeErrorBound().orElseThrow());
            }
        }
    }

    @Test
    void recomputation_ofOnePoint_leavesTheOthersAsTheyWere() {
        // Block 0 repeats one row, block 1 does not; one point lies in each.
        float[][] rows = gaussian(random, MANY, 4096 + 300);
        for (float[] row : rows) {
            System.arraycopy(rows[0], 0, row, 0, 4096);
        }
        float[] hard = Arrays.copyOf(rows[0], 4096 + 300);
        Arrays.fill(hard, 4096, 4096 + 300, 0);
        float[] easy = rows[200].clone();
        Arrays.fill(easy, 0, 4096, 0);
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(4096, 300), ElementType.F32, rows);
                InfluenceScores alone = compute(samples, DATAINF, easy);
                InfluenceScores together = compute(samples, DATAINF, easy, hard, easy)) {
            assertThat(alone.recomputedInDouble()).isFalse();
            assertThat(together.recomputedInDouble()).isTrue();
            assertThat(row(together, 0, MANY)).containsExactly(row(alone, 0, MANY));
            assertThat(row(together, 2, MANY)).containsExactly(row(alone, 0, MANY));
            assertScores(together, 1, ReferenceDataInf.scores(samples, hard, DATAINF), DOUBLE_TOLERANCE);
        }
    }

    @Test
    void validationOrthogonalToAllSamples_isComputedInDouble() {
        float[][] rows = gaussian(random, MANY, 20);
        for (float[] row : rows) {
            row[19] = 0;
        }
        float[] v = new float[20];
        v[19] = 1;
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(20), ElementType.F32, rows);
                InfluenceScores scores = compute(samples, DATAINF, v)) {
            assertThat(row(scores, 0, MANY)).containsOnly(0);
            assertThat(scores.recomputedInDouble()).isTrue();
            assertThat(scores.relativeErrorBound()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e-38, 1e-30, 1e-6, 1e6, 1e30})
    void scaleOfValidation_changesNothingButTheScale(double scale) {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(90, 10), ElementType.F32, gaussian(random, MANY, 100))) {
            float[] v = gaussian(random, 1, 100)[0];
            try (InfluenceScores scores = compute(samples, DATAINF, scaled(v, scale))) {
                assertThat(scores.recomputedInDouble()).isFalse();
            }
            assertEqualsReference(samples, TOLERANCE, scaled(v, scale));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e-43, 1e-38, 1e-25, 1e-15, 1e-6, 1e6, 1e15, 1e25, 1e37})
    void scaleOfGradients_withinFloat32_equalsReference(double scale) {
        float[][] rows = gaussian(random, MANY, 100);
        for (int i = 0; i < MANY; i++) {
            rows[i] = scaled(rows[i], scale);
        }
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(90, 10), ElementType.F32, rows)) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 1, 100)[0], rows[7]);
        }
    }

    @Test
    void blocksOfVeryDifferentScale_equalReference() {
        float[][] rows = gaussian(random, MANY, 100);
        for (float[] row : rows) {
            for (int i = 0; i < 50; i++) {
                row[i] *= 1e-12f;
            }
        }
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(50, 50), ElementType.F32, rows)) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 1, 100)[0], rows[7]);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {70, MANY})
    void deadRows_countForNothing(int n) {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(30, 3), ElementType.F32, gaussian(random, n, 33))) {
            samples.add(scaled(gaussian(random, 1, 33)[0], 1e4));
            samples.kill(n);
            samples.kill(0);
            samples.kill(11);
            float[] v = gaussian(random, 1, 33)[0];
            assertEqualsReference(samples, TOLERANCE, v);
            try (InfluenceScores scores = compute(samples, DATAINF, v)) {
                assertThat(scores.score(0, 11)).isZero();
                assertThat(scores.blockScore(1, 0, n)).isZero();
            }
        }
    }

    @Test
    void moreValidationPointsThanOneReadingTakes_equalReference() {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(30, 3), ElementType.F32, gaussian(random, MANY, 33))) {
            assertEqualsReference(samples, TOLERANCE, gaussian(random, 67, 33));
        }
    }

    @Test
    void fixedDamping_isUsedAsGiven() {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(30, 3), ElementType.F32, gaussian(random, MANY, 33))) {
            float[] v = gaussian(random, 1, 33)[0];
            double[] lambda = {0.5, 2};
            InfluenceRequest request = new InfluenceRequest(
                    samples.set(),
                    1,
                    StoredSamples.segment(v),
                    DATAINF,
                    List.of(new Damping.Fixed(lambda)),
                    false,
                    true);
            try (InfluenceScores scores = onlyScores(calculator, request)) {
                assertScores(scores, 0, ReferenceDataInf.scores(samples, v, DATAINF, lambda), TOLERANCE);
                assertThat(scores.lambda()).containsExactly(lambda);
                assertThatThrownBy(() -> scores.blockScore(0, 0, 0)).isInstanceOf(IllegalStateException.class);
            }
        }
    }

    @Test
    void validationNotFinite_throwsNamingPointAndBlock() {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(3, 3), ElementType.F32, gaussian(random, MANY, 6))) {
            float[][] v = gaussian(random, 2, 6);
            v[1][4] = Float.NaN;
            assertThatThrownBy(() -> compute(samples, DATAINF, v))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("validation gradient 1")
                    .hasMessageContaining("block1");
        }
    }

    @Test
    void dampingThatVanishesOrBlowsUp_throws() {
        float[] v = gaussian(random, 1, 6)[0];
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(3, 3), ElementType.F32, gaussian(random, MANY, 6))) {
            assertThatThrownBy(() -> compute(samples, v, new Damping.Scaled(Double.MIN_VALUE)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("block0");
            assertThatThrownBy(() -> compute(samples, v, new Damping.Scaled(Double.MAX_VALUE)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> compute(samples, v, new Damping.Fixed(new double[] {1e-320})))
                    .isInstanceOf(ArithmeticException.class)
                    .hasMessageContaining("validation point 0");
        }
    }

    private void compute(StoredSamples samples, float[] v, Damping damping) {
        onlyScores(
                        calculator,
                        new InfluenceRequest(
                                samples.set(), 1, StoredSamples.segment(v), DATAINF, List.of(damping), false, false))
                .close();
    }
}
