package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.relativeError;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The estimate of rounding errors against the errors themselves, float32 against float64, on gradients made to be hard. {@code -Ddatainf.calibration=full} runs the grid of
 * sizes behind docs/adr/0001 and prints each figure.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RoundingErrorTest {

    private static final boolean FULL = "full".equals(System.getProperty("datainf.calibration"));
    private static final long SEED = 5;
    private static final double INFINITE = Double.POSITIVE_INFINITY;
    private static final double TOLERANCE = Numerics.DEFAULT.greatestError();
    private static final int[] COUNTS = FULL ? new int[] {65, 300, 1500} : new int[] {65, 300};
    private static final int[][] SHAPES = FULL
            ? new int[][] {{1, 1}, {40, 1}, {4, 16}, {1, 700}, {8, 4096}, {1, 32768}}
            : new int[][] {{40, 1}, {4, 16}, {1, 700}, {2, 4096}};

    private InfluenceCalculator single;
    private InfluenceCalculator audited;
    private InfluenceCalculator full;

    /** Gradients of a sample; {@code common} and {@code pattern} are the same for all. */
    enum Case {
        GAUSSIAN {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return draw.noise();
            }
        },
        CORRELATED {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return draw.scale * (draw.noise() + 0.1f * draw.share[0] * common);
            }
        },
        LOW_RANK {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return 0.01f * draw.noise() + draw.share[0] * common;
            }
        },
        POSITIVE {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return Math.abs(draw.noise());
            }
        },
        /** Long runs of one sign which cancel against a validation gradient of ones. */
        HALVES {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return 0.1f * draw.noise() + (e % width < width / 2 ? 1 : -1);
            }
        },
        QUARTERS {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return 0.1f * draw.noise() + draw.share[(int) (4L * (e % width) / width)];
            }
        },
        OUTLIERS {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return (float) Math.exp(3 * common) * draw.noise();
            }
        },
        SPARSE {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                float noise = draw.noise();
                return Math.abs(noise) > 2.3f || e % 61 == k % 61 ? noise : 0;
            }
        },
        TWELVE_DECADES {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return draw.decade * draw.noise();
            }
        },
        TENTH_REPEATED {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return k % 10 == 3 ? common : draw.noise();
            }
        },
        MOST_REPEATED {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return k % 10 == 5 ? draw.noise() : common;
            }
        },
        ALL_REPEATED {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return common;
            }
        },
        ONE_DOMINANT {
            @Override
            float element(int k, int e, int width, Draw draw, float common) {
                return (k == 3 ? 1e5f : 1) * draw.noise();
            }
        };

        abstract float element(int k, int e, int width, Draw draw, float common);
    }

    /** What one gradient is drawn from. */
    static final class Draw {

        private final SplittableRandom random;
        private final float[] share = new float[4];
        private final float scale;
        private final float decade;

        Draw(SplittableRandom random) {
            this.random = random;
            for (int i = 0; i < share.length; i++) {
                share[i] = noise();
            }
            this.scale = (float) Math.exp(noise());
            this.decade = (float) Math.pow(10, 12 * random.nextDouble() - 6);
        }

        float noise() {
            return (float) random.nextGaussian();
        }
    }

    @BeforeAll
    void open() {
        single = InfluenceCalculator.create(2, new Numerics(0, INFINITE, INFINITE, null));
        audited = InfluenceCalculator.create(2, new Numerics(0, INFINITE, TOLERANCE, null));
        full = InfluenceCalculator.create(2, new Numerics(Integer.MAX_VALUE, 1, 1, null));
    }

    @AfterAll
    void close() {
        single.close();
        audited.close();
        full.close();
    }

    @ParameterizedTest
    @EnumSource
    void estimate_isAboveTheError(Case hard) {
        for (int n : COUNTS) {
            for (int[] shape : SHAPES) {
                if ((long) n * shape[0] * shape[1] <= 60_000_000) {
                    compare(hard, n, shape[0], shape[1]);
                }
            }
        }
    }

    private void compare(Case hard, int n, int blocks, int width) {
        SplittableRandom random = new SplittableRandom(SEED);
        int[] widths = new int[blocks];
        Arrays.fill(widths, width);
        BlockLayout layout = StoredSamples.layout(widths);
        float[] common = gradient(random, layout.dimension(), Case.GAUSSIAN, 0, width, new float[layout.dimension()]);
        try (StoredSamples samples = new StoredSamples(layout, ElementType.F32)) {
            float[] opposite = {};
            for (int k = 0; k < n; k++) {
                float[] row = gradient(random, layout.dimension(), hard, k, width, common);
                samples.add(row);
                opposite = k == 3 ? scaled(row, -0.7f) : opposite;
            }
            float[] ones = new float[layout.dimension()];
            Arrays.fill(ones, 1);
            float[] alike = gradient(random, layout.dimension(), hard, n, width, common);
            float[] unlike = gradient(random, layout.dimension(), Case.GAUSSIAN, 0, width, common);
            float[][] points = {alike, unlike, opposite, common, ones};
            for (InfluenceMethod method : List.of(new InfluenceMethod.DataInf(), new InfluenceMethod.HessianFree())) {
                compare("%s n=%d %dx%d %s".formatted(hard, n, blocks, width, method), samples, method, points);
            }
        }
    }

    private void compare(String name, StoredSamples samples, InfluenceMethod method, float[]... points) {
        List<String> figures = new ArrayList<>();
        for (int j = 0; j < points.length; j++) {
            InfluenceRequest request = samples.request(method, points[j]);
            try (InfluenceScores worst = onlyScores(single, request);
                    InfluenceScores measured = onlyScores(audited, request);
                    InfluenceScores exact = onlyScores(full, request)) {
                double error = relativeError(worst, 0, row(exact, 0, samples.rowCount()));
                double worstBound = worst.relativeErrorBound().orElse(INFINITE);
                double bound = measured.relativeErrorBound().orElse(INFINITE);
                String figure = "%s point %d: error %.2e, bound %.2e, with audit %.2e"
                        .formatted(name, j, error, worstBound, bound);
                figures.add(figure);
                assertThat(error).describedAs(figure).isLessThanOrEqualTo(bound);
                assertThat(bound).describedAs(figure).isLessThanOrEqualTo(worstBound);
            }
        }
        if (FULL) {
            System.out.println(String.join("\n", figures));
        }
    }

    private static float[] gradient(SplittableRandom random, int length, Case hard, int k, int width, float[] common) {
        Draw draw = new Draw(random);
        float[] row = new float[length];
        for (int e = 0; e < length; e++) {
            row[e] = hard.element(k, e, width, draw, common[e]);
        }
        return row;
    }

    private static float[] scaled(float[] row, float factor) {
        float[] scaled = new float[row.length];
        for (int e = 0; e < row.length; e++) {
            scaled[e] = factor * row[e];
        }
        return scaled;
    }
}
