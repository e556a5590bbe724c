package io.datainf.sidecar.ingest;

/**
 * One message of a writer: whole samples, or a fragment of one. Not checked yet.
 *
 * @param batchSeq the writer's number of the batch
 * @param sampleIds the trainer's ids, [k]
 * @param steps training step of each sample, [k], or empty
 * @param allowDeleted whether samples that were deleted may come back
 * @param crc32c CRC-32C of {@code gradients}
 * @param elementOffset position in the sample of the first element; 0 for whole samples
 * @param gradients [k, D] row-major or elements of one sample, little-endian, no padding
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record BatchMessage(
        long batchSeq,
        long[] sampleIds,
        long[] steps,
        boolean allowDeleted,
        int crc32c,
        long elementOffset,
        GradientBytes gradients) {

    /** The same with its gradients elsewhere. */
    public BatchMessage withGradients(GradientBytes elsewhere) {
        return new BatchMessage(batchSeq, sampleIds, steps, allowDeleted, crc32c, elementOffset, elsewhere);
    }

    /** What the message costs in memory: its gradients, as far as they are not read yet, and 8 bytes for each id and step. */
    long costBytes() {
        return gradients.byteCount() + (long) Long.BYTES * (sampleIds.length + steps.length);
    }
}
