package io.datainf.engine.influence;

/**
 * The sums from which damping follows: the sample count n and, for each block, the sum of q_i. Immutable.
 *
 * @param sampleCount n; at least 0
 * @param zeroSampleCount samples whose gradient is zero in every block: nothing can be said of them
 * @param squaredNormSums sum over the samples of q_{i,l}, [L]; float64, from a compensated sum. Not copied: callers must
 *     not change it.
 */
@SuppressWarnings("ArrayRecordComponent") // a value of L doubles handed from one owner to the next
public record BlockStatistics(long sampleCount, long zeroSampleCount, double[] squaredNormSums) {

    public BlockStatistics {
        if (sampleCount < 0) {
            throw new IllegalArgumentException("sampleCount is %d: expected at least 0".formatted(sampleCount));
        }
    }

    /** Blocks whose gradients are zero in all samples so far: they contribute nothing to scores. */
    public int skippedBlockCount() {
        int count = 0;
        for (double sum : squaredNormSums) {
            count += sum == 0 ? 1 : 0;
        }
        return count;
    }
}
