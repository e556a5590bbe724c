package io.datainf.engine.influence;

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
        throw new UnsupportedOperationException();
    }
}
