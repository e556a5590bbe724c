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
 */
public record RunDescription(
        String runId,
        List<Block> blocks,
        String checkpoint,
        String layoutHash,
        long dimension,
        long sampleCount,
        long revision) {

    public RunDescription {
        blocks = List.copyOf(blocks);
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
                run.getRevision());
    }
}
