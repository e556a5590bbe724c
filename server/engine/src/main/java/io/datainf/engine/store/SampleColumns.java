package io.datainf.engine.store;

import java.lang.foreign.MemorySegment;

/**
 * What is known of the k samples of a batch, by position in the batch. Borrowed, not copied. Entries of samples that are
 * not stored are never read.
 *
 * @param sampleIds the trainer's ids, [k]
 * @param steps training steps, [k], or empty
 * @param rows [k, D] in the stored encoding, row-major; outside the Java heap
 * @param strideBytes distance from one row to the next
 * @param squaredNorms q of each sample and block, [k, L]
 * @param checksums CRC-32C of each row, [k]
 */
@SuppressWarnings("ArrayRecordComponent") // large, borrowed for the length of one append
public record SampleColumns(
        long[] sampleIds, long[] steps, MemorySegment rows, long strideBytes, double[] squaredNorms, int[] checksums) {

    /** Training step of the {@code i}-th sample; 0 if there are none. */
    public long step(int i) {
        return steps.length == 0 ? 0 : steps[i];
    }

    /** k. */
    public int sampleCount() {
        return sampleIds.length;
    }
}
