package io.datainf.sidecar.ingest;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.SampleBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * The gradients of one batch outside the Java heap, from the arrival of its first byte until the batch is durable or given
 * up. Any thread may close it; filling is for one thread at a time.
 */
final class StagedBatch implements AutoCloseable {

    private final long batchSeq;
    private final long[] sampleIds;
    private final long[] steps;
    private final boolean allowDeleted;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment gradients;
    private long filledBytes;
    private long costBytes;

    /** Reserves memory for the batch that {@code first} begins. */
    StagedBatch(BatchMessage first, long totalBytes) {
        this.batchSeq = first.batchSeq();
        this.sampleIds = first.sampleIds();
        this.steps = first.steps();
        this.allowDeleted = first.allowDeleted();
        this.gradients = arena.allocate(totalBytes, Long.BYTES);
    }

    long batchSeq() {
        return batchSeq;
    }

    long[] sampleIds() {
        return sampleIds;
    }

    /** Bytes of gradients that have arrived. */
    long filledBytes() {
        return filledBytes;
    }

    /** Bytes of gradients of the whole batch. */
    long totalBytes() {
        return gradients.byteSize();
    }

    /** What its messages cost in memory. */
    long costBytes() {
        return costBytes;
    }

    boolean complete() {
        return filledBytes == gradients.byteSize();
    }

    /** Whether {@code message} is of the same batch. */
    boolean sameBatch(BatchMessage message) {
        return message.batchSeq() == batchSeq
                && message.allowDeleted() == allowDeleted
                && Arrays.equals(message.sampleIds(), sampleIds)
                && Arrays.equals(message.steps(), steps);
    }

    /**
     * Copies the gradients of the next message and checks them.
     *
     * @throws ChecksumMismatchException if they are not what the writer sent
     */
    void append(BatchMessage message) {
        long messageBytes = message.costBytes();
        MemorySegment target =
                gradients.asSlice(filledBytes, message.gradients().byteCount());
        message.gradients().read(target);
        // Over the copy, so that what is checked is what is stored.
        CRC32C crc = new CRC32C();
        crc.update(target.asByteBuffer());
        if ((int) crc.getValue() != message.crc32c()) {
            throw new ChecksumMismatchException(batchSeq, message.crc32c(), (int) crc.getValue());
        }
        filledBytes += target.byteSize();
        costBytes += messageBytes;
    }

    SampleBatch toSampleBatch(ElementType elementType) {
        return new SampleBatch(batchSeq, sampleIds, steps, allowDeleted, elementType, gradients);
    }

    @Override
    public void close() {
        arena.close();
    }
}
