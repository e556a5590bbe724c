package io.datainf.engine.influence;

import java.util.Arrays;

/**
 * How the squared norms q_i of one block are distributed over the live samples.
 *
 * @param min least q_i; 0 without samples
 * @param median middle q_i, the mean of the middle two for even n; 0 without samples
 * @param max greatest q_i; 0 without samples
 * @param zeroCount samples whose gradient in the block is all zero
 */
public record SquaredNormSummary(double min, double median, double max, long zeroCount) {

    /** Summarises block {@code block} of the set. O(n log n) time, O(n) memory. */
    public static SquaredNormSummary of(SampleSet samples, int block) {
        double[] sorted = new double[Math.toIntExact(samples.sampleCount())];
        int count = 0;
        int zeroCount = 0;
        for (int i = 0; i < samples.rowCount(); i++) {
            if (samples.live(i)) {
                double q = samples.squaredNorms().get(i, block);
                sorted[count++] = q;
                zeroCount += q == 0 ? 1 : 0;
            }
        }
        if (count == 0) {
            return new SquaredNormSummary(0, 0, 0, 0);
        }
        Arrays.sort(sorted);
        double median = sorted[(count - 1) / 2] + (sorted[count / 2] - sorted[(count - 1) / 2]) / 2;
        return new SquaredNormSummary(sorted[0], median, sorted[count - 1], zeroCount);
    }
}
