package io.datainf.client;

import io.datainf.proto.v1.Run;
import java.util.List;

/**
 * A run as the server holds it at one moment.
 *
 * @param runId its name
 * @param blocks the blocks of each sample, in order
 * @param checkpoint which parameters the gradients are taken at
 * @param layoutHash the server's digest of {@code blocks}
 * @param dimension elements of one sample, D
 * @param sampleCount samples held, n
 * @param revision one step for each sample stored, replaced or deleted
 * @param damagedSampleCount samples that were acked and cannot be read any more; not among {@code sampleCount}
 * @param damagedSampleIds the first of their ids, as far as they can be read; from {@link DataInfClient#getRun} only
 */
public record RunDescription(
        String runId,
        List<Block> blocks,
        String checkpoint,
        String layoutHash,
        long dimension,
        long sampleCount,
        long revision,
        long damagedSampleCount,
        List<Long> damagedSampleIds) {

    public RunDescription {
        blocks = List.copyOf(blocks);
        damagedSampleIds = List.copyOf(damagedSampleIds);
    }

    static RunDescription of(Run run) {
        List<Block> blocks = run.getLayout().getBlocksList().stream()
                .map(block -> new Block(
                        block.getName(), Math.toIntExact(block.getRows()), Math.toIntExact(block.getColumns())))
                .toList();
        return new RunDescription(
                run.getRunId(),
                blocks,
                run.getCheckpoint(),
                run.getLayoutHash(),
                run.getDimension(),
                run.getSampleCount(),
                run.getRevision(),
                run.getDamagedSampleCount(),
                run.getDamagedSampleIdsList());
    }
}
