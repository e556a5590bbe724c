package io.datainf.engine.run;

import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.influence.Damping;
import java.util.Arrays;

/**
 * What may be wrong with gradients: the worst of several runs. Runs without samples do not count.
 *
 * @param zeroSampleShare greatest share of samples of a run whose gradient is zero in every block, in [0, 1]; of runs with {@value #LEAST_SAMPLES} samples
 *     or more
 * @param skippedBlockCount most blocks of a run that are zero in all its samples
 * @param leastLambda smallest damping lambda_l of a block that is not skipped; NaN if there is none
 * @param greatestLambda greatest damping lambda_l; NaN if there is none
 */
public record GradientHealth(
        double zeroSampleShare, long skippedBlockCount, double leastLambda, double greatestLambda) {

    /** Below that, one sample is a share that says nothing. */
    static final int LEAST_SAMPLES = 100;

    /** No runs. */
    static final GradientHealth NONE = new GradientHealth(0, 0, Double.NaN, Double.NaN);

    /** Of one run. */
    static GradientHealth of(RunDefinition definition, BlockStatistics statistics) {
        if (statistics.sampleCount() == 0) {
            return NONE;
        }
        double[] lambda = Arrays.stream(
                        new Damping.Scaled(definition.dampingScale()).lambda(definition.layout(), statistics))
                .filter(value -> value > 0)
                .toArray();
        boolean enough = statistics.sampleCount() >= LEAST_SAMPLES;
        return new GradientHealth(
                enough ? (double) statistics.zeroSampleCount() / statistics.sampleCount() : 0,
                statistics.skippedBlockCount(),
                Arrays.stream(lambda).min().orElse(Double.NaN),
                Arrays.stream(lambda).max().orElse(Double.NaN));
    }

    /** The worse of both, figure by figure. */
    GradientHealth worst(GradientHealth other) {
        return new GradientHealth(
                Math.max(zeroSampleShare, other.zeroSampleShare),
                Math.max(skippedBlockCount, other.skippedBlockCount),
                known(leastLambda, other.leastLambda, Math.min(leastLambda, other.leastLambda)),
                known(greatestLambda, other.greatestLambda, Math.max(greatestLambda, other.greatestLambda)));
    }

    private static double known(double first, double second, double both) {
        if (Double.isNaN(first)) {
            return second;
        }
        return Double.isNaN(second) ? first : both;
    }
}
