package io.datainf.client;

import io.datainf.proto.v1.GetStatisticsResponse;
import java.util.List;

/**
 * The statistics of a run at one revision.
 *
 * @param revision the revision
 * @param sampleCount samples at that revision, n
 * @param blocks one entry a block, in layout order
 */
public record RunStatistics(long revision, long sampleCount, List<BlockStatistics> blocks) {

    public RunStatistics {
        blocks = List.copyOf(blocks);
    }

    /**
     * The statistics of one block l, with q_i = |g_{i,l}|^2 of the stored values.
     *
     * @param name the block's name
     * @param dimension elements of the block, d_l
     * @param squaredNormSum sum of q_i
     * @param damping lambda_l at the run's damping scale
     * @param squaredNormMin least q_i
     * @param squaredNormMedian median of q_i
     * @param squaredNormMax greatest q_i
     * @param zeroGradientCount samples whose gradient in this block is all zero
     * @param skipped whether queries leave the block out, because lambda_l is 0
     */
    public record BlockStatistics(
            String name,
            long dimension,
            double squaredNormSum,
            double damping,
            double squaredNormMin,
            double squaredNormMedian,
            double squaredNormMax,
            long zeroGradientCount,
            boolean skipped) {

        static BlockStatistics of(io.datainf.proto.v1.BlockStatistics block) {
            return new BlockStatistics(
                    block.getName(),
                    block.getDimension(),
                    block.getSquaredNormSum(),
                    block.getDamping(),
                    block.getSquaredNormMin(),
                    block.getSquaredNormMedian(),
                    block.getSquaredNormMax(),
                    block.getZeroGradientCount(),
                    block.getSkipped());
        }
    }

    static RunStatistics of(GetStatisticsResponse response) {
        return new RunStatistics(
                response.getRevision(),
                response.getSampleCount(),
                response.getBlocksList().stream().map(BlockStatistics::of).toList());
    }
}
