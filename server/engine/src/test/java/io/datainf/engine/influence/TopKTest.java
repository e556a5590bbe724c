package io.datainf.engine.influence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TopKTest {

    private static StoredSamples samples(int count) {
        return new StoredSamples(StoredSamples.layout(1), ElementType.F32, new float[count][1]);
    }

    private static int[] select(double[] scores, long[] ids, int count, Ranking ranking) {
        try (StoredSamples samples = samples(scores.length)) {
            return TopK.select(samples.set(), i -> scores[i], i -> ids[i], count, ranking);
        }
    }

    @Test
    void rankings_orderByScore() {
        double[] scores = {1, -5, 3, 0, -2};
        long[] ids = {10, 11, 12, 13, 14};
        assertThat(select(scores, ids, 3, Ranking.MOST_HARMFUL)).containsExactly(2, 0, 3);
        assertThat(select(scores, ids, 3, Ranking.MOST_HELPFUL)).containsExactly(1, 4, 3);
        assertThat(select(scores, ids, 3, Ranking.ABSOLUTE)).containsExactly(1, 2, 4);
    }

    @Test
    void ties_goToSmallerUnsignedId() {
        double[] scores = {7, 7, 7, 7, -7};
        long[] ids = {-1, 5, Long.MIN_VALUE, 4, 9};
        assertThat(select(scores, ids, 3, Ranking.MOST_HARMFUL)).containsExactly(3, 1, 2);
        assertThat(select(scores, ids, 5, Ranking.ABSOLUTE)).containsExactly(3, 1, 4, 2, 0);
    }

    @Test
    void zeroAndMinusZero_tie() {
        double[] scores = {-0.0, 0.0};
        long[] ids = {1, 2};
        for (Ranking ranking : Ranking.values()) {
            assertThat(select(scores, ids, 2, ranking)).containsExactly(0, 1);
        }
    }

    @Test
    void countBeyondSamples_returnsAll() {
        assertThat(select(new double[] {1, 2}, new long[] {1, 2}, Integer.MAX_VALUE, Ranking.MOST_HARMFUL))
                .containsExactly(1, 0);
    }

    @Test
    void deadRows_areNotSelected() {
        try (StoredSamples samples = samples(4)) {
            samples.kill(1);
            assertThat(TopK.select(samples.set(), i -> i == 1 ? 100 : i, i -> i, 4, Ranking.MOST_HARMFUL))
                    .containsExactly(3, 2, 0);
        }
    }

    @Test
    void countBelowOne_throws() {
        assertThatThrownBy(() -> select(new double[] {1}, new long[] {1}, 0, Ranking.ABSOLUTE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("count is 0");
    }

    @ParameterizedTest
    @EnumSource
    void randomScores_equalASort(Ranking ranking) {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        double[] scores = random.ints(500, -20, 20).asDoubleStream().toArray();
        long[] ids = random.longs(500).toArray();
        Comparator<Integer> order = Comparator.comparingDouble(i -> switch (ranking) {
            case MOST_HARMFUL -> -scores[i];
            case MOST_HELPFUL -> scores[i];
            case ABSOLUTE -> -Math.abs(scores[i]);
        });
        int[] expected = IntStream.range(0, 500)
                .boxed()
                .sorted(order.thenComparing(i -> ids[i], Long::compareUnsigned))
                .mapToInt(Integer::intValue)
                .toArray();
        for (int count : new int[] {1, 2, 3, 100, 499, 500}) {
            assertThat(select(scores, ids, count, ranking))
                    .describedAs("seed %d", seed)
                    .containsExactly(Arrays.copyOf(expected, count));
        }
    }
}
