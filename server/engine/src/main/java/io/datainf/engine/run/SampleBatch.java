package io.datainf.engine.run;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Whole samples of one writer, to be applied together.
 *
 * @param batchSeq the writer's number of the batch, from 1 without gaps
 * @param sampleIds the trainer's ids, [k], no id twice
 * @param steps training step of each sample, [k], or empty
 * @param elementType encoding of {@code gradients}
 * @param allowDeleted whether samples that were deleted may come back
 * @param gradients where the rows come from
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record SampleBatch(
        long batchSeq,
        long[] sampleIds,
        long[] steps,
        boolean allowDeleted,
        ElementType elementType,
        GradientSource gradients) {

    public SampleBatch {
        if (batchSeq < 1) {
            throw new IllegalArgumentException("batch_seq is %d: expected at least 1".formatted(batchSeq));
        }
        if (sampleIds.length == 0) {
            throw new IllegalArgumentException("sample_ids is empty: a batch has at least one sample");
        }
        if (steps.length != 0 && steps.length != sampleIds.length) {
            throw new IllegalArgumentException("steps has %d entries: expected none or %d, one a sample"
                    .formatted(steps.length, sampleIds.length));
        }
        requireDistinct(sampleIds);
    }

    /** Creates a batch of rows in memory, [k, D] row-major, in which no deleted sample may come back. */
    public SampleBatch(
            long batchSeq, long[] sampleIds, long[] steps, ElementType elementType, MemorySegment gradients) {
        this(batchSeq, sampleIds, steps, false, elementType, GradientSource.of(gradients));
    }

    private static void requireDistinct(long[] sampleIds) {
        long[] sorted = sampleIds.clone();
        Arrays.sort(sorted);
        for (int i = 1; i < sorted.length; i++) {
            if (sorted[i] == sorted[i - 1]) {
                throw new IllegalArgumentException("sample_ids has %s twice: expected each id once in a batch"
                        .formatted(Long.toUnsignedString(sorted[i])));
            }
        }
    }
}
