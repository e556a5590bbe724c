package io.datainf.client;

import java.util.List;

/**
 * How far a {@link SampleWriter} has come: counts from one moment.
 *
 * <p>{@code addedCount = ackedCount + bufferedCount}; dropped samples are in none of these.
 *
 * @param addedCount samples taken by {@link SampleWriter#add}
 * @param addedBytes their gradients, bytes as sent
 * @param ackedCount samples that are no longer the writer's task: durable, duplicate or rejected
 * @param replacedCount acked samples that were stored in place of earlier ones of the same id
 * @param duplicateCount acked samples that the run held already with equal content
 * @param rejectedCount acked samples that the server did not store: NaN or infinity
 * @param droppedCount samples left out by {@link BufferPolicy#DROP}
 * @param bufferedCount samples taken and not acked yet; after a failure, those that may be lost
 * @param bufferedBytes their gradients, bytes
 * @param durableBatchSequence number of the writer's last batch that is durable; 0 before the first. Right after opening: where
 *     an earlier process with this writer id stopped
 * @param revision revision of the run that includes every acked sample; 0 before the first ack
 * @param reconnectCount streams opened after the first one
 * @param recoveredBatchCount batches found durable after a reconnect, whose ack was lost; duplicates, replaced and rejected samples
 *     among them are not counted here
 * @param rejectedSamples the first rejected samples, at most {@value #REJECTED_SAMPLES_KEPT}
 */
public record WriterProgress(
        long addedCount,
        long addedBytes,
        long ackedCount,
        long replacedCount,
        long duplicateCount,
        long rejectedCount,
        long droppedCount,
        long bufferedCount,
        long bufferedBytes,
        long durableBatchSequence,
        long revision,
        long reconnectCount,
        long recoveredBatchCount,
        List<RejectedSample> rejectedSamples) {

    /** Most rejected samples that a writer remembers by name. */
    public static final int REJECTED_SAMPLES_KEPT = 1_000;

    public WriterProgress {
        rejectedSamples = List.copyOf(rejectedSamples);
    }
}
