package io.datainf.client;

import java.util.List;

/**
 * How far a {@link SampleWriter} has come.
 *
 * @param revision revision of the run that includes every acked sample; 0 before the first ack
 * @param unackedBytes gradients in full batches that are not acked yet, bytes
 * @param replacedCount samples stored in place of earlier ones of the same id
 * @param duplicateCount samples that the run held already with equal content
 * @param rejectedCount samples that the server did not store
 * @param rejectedSamples the first of them, at most {@value #REJECTED_SAMPLES_KEPT}
 * @param reconnectCount streams opened after the first one
 */
public record WriterProgress(
        long revision,
        long unackedBytes,
        long replacedCount,
        long duplicateCount,
        long rejectedCount,
        List<RejectedSample> rejectedSamples,
        int reconnectCount) {

    /** Most rejected samples that a writer remembers by name. */
    public static final int REJECTED_SAMPLES_KEPT = 1_000;

    public WriterProgress {
        rejectedSamples = List.copyOf(rejectedSamples);
    }
}
