package io.datainf.engine.run;

import java.util.List;

/**
 * What became of a durable batch.
 *
 * @param batchSeq the writer's number of the batch
 * @param revision revision of the run after it
 * @param storedCount samples stored, replacements included
 * @param replacedCount those of them that replaced an earlier one of the same id
 * @param duplicateCount samples that the run held already with equal content
 * @param rejected samples refused
 */
public record BatchReceipt(
        long batchSeq,
        long revision,
        int storedCount,
        int replacedCount,
        int duplicateCount,
        List<RejectedSample> rejected) {

    /**
     * A sample that was refused.
     *
     * @param sampleId the trainer's id
     * @param blockName name of the first block at fault
     * @param reason what was wrong
     * @param detail the same for a person, with element and value
     */
    public record RejectedSample(long sampleId, String blockName, Reason reason, String detail) {}

    /** Why a sample is refused. */
    public enum Reason {
        /** An element is NaN. */
        NAN,
        /** An element is infinite, or became so in the stored encoding. */
        INFINITE
    }
}
