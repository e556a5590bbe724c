package io.datainf.engine.run;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.MemorySegment;

/**
 * Whole samples of one writer, to be applied together.
 *
 * @param batchSeq the writer's number of the batch, from 1 without gaps
 * @param sampleIds the trainer's ids, [k], no id twice
 * @param steps training step of each sample, [k], or empty
 * @param elementType encoding of {@code gradients}
 * @param gradients [k, D] row-major, little-endian, no padding; borrowed until the append has completed
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record SampleBatch(
        long batchSeq, long[] sampleIds, long[] steps, ElementType elementType, MemorySegment gradients) {}
