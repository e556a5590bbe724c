package io.datainf.engine.influence;

import static io.datainf.engine.influence.StoredSamples.gaussian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementType;
import java.math.BigDecimal;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Statistics, damping and summaries. */
class BlockStatisticsTest {

    private static final long SEED = 5;

    @Test
    void sums_overTwentyDecades_areExactToTheLastDigit() {
        Random random = new Random(SEED);
        BlockStatisticsAccumulator accumulator = new BlockStatisticsAccumulator(1);
        BigDecimal exact = BigDecimal.ZERO;
        for (int i = 0; i < 100_000; i++) {
            double q = Math.pow(10, 20 * random.nextDouble() - 10);
            accumulator.add(new double[] {q});
            exact = exact.add(new BigDecimal(q));
        }
        BlockStatistics statistics = accumulator.snapshot();
        assertThat(statistics.sampleCount()).isEqualTo(100_000);
        assertThat(statistics.squaredNormSums()[0]).isEqualTo(exact.doubleValue());
    }

    @Test
    void sums_ofArraysAndOfStoredNorms_haveEqualBits() {
        Random random = new Random(SEED);
        BlockStatisticsAccumulator fromArrays = new BlockStatisticsAccumulator(2);
        BlockStatisticsAccumulator fromTable = new BlockStatisticsAccumulator(2);
        try (SquaredNorms norms = new SquaredNorms(2)) {
            for (int i = 0; i < 1000; i++) {
                double[] q = {Math.exp(9 * random.nextGaussian()), random.nextDouble()};
                fromArrays.add(q);
                norms.append(q);
                fromTable.add(norms, i);
            }
        }
        assertThat(fromTable.snapshot().squaredNormSums())
                .containsExactly(fromArrays.snapshot().squaredNormSums());
    }

    @Test
    void snapshot_isNotTouchedByLaterSamples() {
        BlockStatisticsAccumulator accumulator = new BlockStatisticsAccumulator(1);
        accumulator.add(new double[] {2});
        BlockStatistics before = accumulator.snapshot();
        accumulator.add(new double[] {3});
        assertThat(before.sampleCount()).isEqualTo(1);
        assertThat(before.squaredNormSums()).containsExactly(2);
        assertThat(accumulator.snapshot().squaredNormSums()).containsExactly(5);
    }

    @Test
    void zeros_areCountedBySampleAndByBlock() {
        BlockStatisticsAccumulator accumulator = new BlockStatisticsAccumulator(3);
        try (SquaredNorms norms = new SquaredNorms(3)) {
            norms.append(new double[3]);
            accumulator.add(norms, 0);
        }
        accumulator.add(new double[] {0, 2, 0});
        accumulator.add(new double[3]);
        assertThat(accumulator.snapshot().zeroSampleCount()).isEqualTo(2);
        assertThat(accumulator.snapshot().skippedBlockCount()).isEqualTo(2);
    }

    @Test
    void accumulator_ofOtherBlockCount_throws() {
        BlockStatisticsAccumulator accumulator = new BlockStatisticsAccumulator(2);
        assertThatThrownBy(() -> accumulator.add(new double[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("3 entries: expected 2");
        try (SquaredNorms norms = new SquaredNorms(1)) {
            norms.append(new double[1]);
            assertThatThrownBy(() -> accumulator.add(norms, 0)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void scaledDamping_isThePapers_andZeroForZeroBlocks() {
        BlockStatistics statistics = new BlockStatistics(4, 0, new double[] {80, 0});
        assertThat(new Damping.Scaled(0.1).lambda(StoredSamples.layout(2, 3), statistics))
                .containsExactly(1, 0);
        assertThat(new Damping.Scaled(0.1).lambda(StoredSamples.layout(2, 3), new BlockStatistics(0, 0, new double[2])))
                .containsExactly(0, 0);
    }

    @Test
    void fixedDamping_takesOneValueOrOneABlock() {
        BlockStatistics statistics = new BlockStatistics(4, 0, new double[] {80, 0, 1});
        var layout = StoredSamples.layout(2, 3, 4);
        assertThat(new Damping.Fixed(new double[] {5}).lambda(layout, statistics))
                .containsExactly(5, 0, 5);
        assertThat(new Damping.Fixed(new double[] {5, 6, 7}).lambda(layout, statistics))
                .containsExactly(5, 0, 7);
        assertThatThrownBy(() -> new Damping.Fixed(new double[] {5, 6}).lambda(layout, statistics))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 values: expected 1 or 3");
    }

    @Test
    void damping_notFiniteOrNotPositive_throws() {
        for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> new Damping.Scaled(bad)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> new Damping.Fixed(new double[] {1, bad}))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void summary_ofLiveSamples() {
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(1, 1), ElementType.F32)) {
            assertThat(SquaredNormSummary.of(samples.set(), 0)).isEqualTo(new SquaredNormSummary(0, 0, 0, 0));
            samples.add(3, 1);
            assertThat(SquaredNormSummary.of(samples.set(), 0)).isEqualTo(new SquaredNormSummary(9, 9, 9, 0));
            samples.add(1, 0);
            assertThat(SquaredNormSummary.of(samples.set(), 0)).isEqualTo(new SquaredNormSummary(1, 5, 9, 0));
            samples.add(100, 0);
            samples.kill(2);
            samples.add(0, 1);
            assertThat(SquaredNormSummary.of(samples.set(), 0)).isEqualTo(new SquaredNormSummary(0, 1, 9, 1));
            assertThat(SquaredNormSummary.of(samples.set(), 1)).isEqualTo(new SquaredNormSummary(0, 1, 1, 1));
        }
    }

    @Test
    void squaredNorms_ofRow_checkSizes() {
        var layout = StoredSamples.layout(2, 1);
        var row = StoredSamples.segment(new float[] {1, 2, 3});
        double[] q = new double[2];
        SquaredNorms.ofRow(row, layout, ElementType.F32, q);
        assertThat(q).containsExactly(5, 9);
        assertThatThrownBy(() -> SquaredNorms.ofRow(row, layout, ElementType.BF16, q))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("row has 12 bytes: expected 6");
        assertThatThrownBy(() -> SquaredNorms.ofRow(row, layout, ElementType.F32, new double[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("target has 3 entries: expected 2");
        assertThatThrownBy(() -> SquaredNorms.ofRow(row.asSlice(0, 6), layout, ElementType.F16, q))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void sampleSet_whoseCountsDisagree_throws() {
        try (StoredSamples samples =
                new StoredSamples(StoredSamples.layout(2), ElementType.F32, gaussian(new Random(SEED), 5, 2))) {
            SampleSet set = samples.set();
            BitSet dead = new BitSet();
            dead.set(1);
            assertThatThrownBy(() -> new SampleSet(set.gradients(), set.squaredNorms(), 5, dead, set.statistics()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("of 5 samples: expected 4");
            assertThatThrownBy(
                            () -> new SampleSet(set.gradients(), set.squaredNorms(), 6, new BitSet(), set.statistics()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("rowCount is 6");
        }
    }

    @Test
    void request_withoutSamplesOrOfWrongLength_throws() {
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(2), ElementType.F32)) {
            assertThatThrownBy(() -> samples.request(new InfluenceMethod.DataInf(), new float[2]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("no live sample");
            samples.add(1, 2);
            assertThatThrownBy(() -> samples.request(new InfluenceMethod.DataInf(), new float[3]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("12 bytes: expected 8");
        }
    }
}
