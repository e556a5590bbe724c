package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What must hold for any gradients. Seeds are fresh; a failure prints its own, and -Ddatainf.seed=N repeats it. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class InfluencePropertyTest {

    private static final int REPETITIONS = 20;
    private static final double TOLERANCE = 1e-5;
    private static final InfluenceMethod DATAINF = new InfluenceMethod.DataInf();

    private long seed;
    private Random random = new Random();
    private InfluenceCalculator calculator;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
        seed = Long.getLong("datainf.seed", System.nanoTime());
        random = new Random(seed);
    }

    @AfterAll
    void close() {
        calculator.close();
    }

    private BlockLayout randomLayout() {
        int[] widths = new int[1 + random.nextInt(6)];
        for (int l = 0; l < widths.length; l++) {
            widths[l] = 1 + random.nextInt(random.nextBoolean() ? 4 : 300);
        }
        return StoredSamples.layout(widths);
    }

    /** Gaussian rows of log-normal norms, some of them zero in part. */
    private float[][] randomRows(BlockLayout layout, int count) {
        float[][] rows = gaussian(random, count, layout.dimension());
        for (float[] row : rows) {
            float scale = (float) Math.exp(2 * random.nextGaussian());
            int zeros = random.nextInt(8) == 0 ? random.nextInt(row.length) : 0;
            for (int e = 0; e < row.length; e++) {
                row[e] = e < zeros ? 0 : scale * row[e];
            }
        }
        return rows;
    }

    private InfluenceScores compute(StoredSamples samples, float[]... v) {
        return onlyScores(calculator, samples.request(DATAINF, v));
    }

    @RepeatedTest(REPETITIONS)
    void scores_equalReference() {
        BlockLayout layout = randomLayout();
        ElementType type = random.nextBoolean() ? ElementType.F32 : ElementType.BF16;
        float[][] v = randomRows(layout, 1 + random.nextInt(4));
        try (StoredSamples samples = new StoredSamples(layout, type, randomRows(layout, 1 + random.nextInt(600)))) {
            for (int i = random.nextInt(40); i < samples.rowCount() - 1; i += 1 + random.nextInt(40)) {
                samples.kill(i);
            }
            try (InfluenceScores scores = compute(samples, v)) {
                for (int j = 0; j < v.length; j++) {
                    assertThat(ScoreAssertions.relativeError(
                                    scores, j, ReferenceDataInf.scores(samples, v[j], DATAINF)))
                            .describedAs("-Ddatainf.seed=%d, %s, %s", seed, layout, type)
                            .isLessThanOrEqualTo(TOLERANCE);
                }
            }
        }
    }

    @RepeatedTest(REPETITIONS)
    void permutedSamples_permuteScores() {
        BlockLayout layout = randomLayout();
        float[][] rows = randomRows(layout, 1 + random.nextInt(400));
        float[] v = randomRows(layout, 1)[0];
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < rows.length; i++) {
            order.add(i);
        }
        Collections.shuffle(order, random);
        float[][] permuted = order.stream().map(i -> rows[i]).toArray(float[][]::new);
        try (StoredSamples samples = new StoredSamples(layout, ElementType.F32, rows);
                StoredSamples others = new StoredSamples(layout, ElementType.F32, permuted);
                InfluenceScores scores = compute(samples, v);
                InfluenceScores otherScores = compute(others, v)) {
            double[] expected = new double[rows.length];
            for (int k = 0; k < rows.length; k++) {
                expected[k] = scores.score(0, order.get(k));
            }
            assertThat(ScoreAssertions.relativeError(otherScores, 0, expected))
                    .describedAs("-Ddatainf.seed=%d, %s", seed, layout)
                    .isLessThanOrEqualTo(TOLERANCE);
        }
    }

    @Test
    void samplesAddedOneByOne_scoreAsAddedAtOnce() {
        BlockLayout layout = randomLayout();
        float[][] rows = randomRows(layout, 300);
        float[] v = randomRows(layout, 1)[0];
        try (StoredSamples grown = new StoredSamples(layout, ElementType.F32)) {
            for (int n = 1; n <= rows.length; n++) {
                grown.add(rows[n - 1]);
                if (n % 23 == 1) {
                    assertSameBitsFromScratch(layout, grown, Arrays.copyOf(rows, n), v);
                }
            }
        }
    }

    private void assertSameBitsFromScratch(BlockLayout layout, StoredSamples grown, float[][] rows, float[] v) {
        try (StoredSamples fresh = new StoredSamples(layout, ElementType.F32, rows);
                InfluenceScores expected = compute(fresh, v);
                InfluenceScores actual = compute(grown, v)) {
            assertThat(row(actual, 0, rows.length))
                    .describedAs("-Ddatainf.seed=%d, n = %d", seed, rows.length)
                    .containsExactly(row(expected, 0, rows.length));
        }
    }

    @Test
    void snapshot_doesNotSeeRowsAddedLater() {
        BlockLayout layout = randomLayout();
        float[] v = randomRows(layout, 1)[0];
        try (StoredSamples samples = new StoredSamples(layout, ElementType.F32, randomRows(layout, 100))) {
            InfluenceRequest request = samples.request(DATAINF, v);
            double[] expected = ReferenceDataInf.scores(samples, v, DATAINF);
            for (float[] row : randomRows(layout, 200)) {
                samples.add(row);
            }
            try (InfluenceScores scores = onlyScores(calculator, request)) {
                assertScores(scores, 0, expected, TOLERANCE);
            }
        }
    }
}
