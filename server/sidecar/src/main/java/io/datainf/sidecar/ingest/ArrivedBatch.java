package io.datainf.sidecar.ingest;

import io.datainf.engine.memory.Crc32c;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.GradientSource;
import io.datainf.engine.run.SampleBatch;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One batch as it arrives: whole in one message, or in fragments, which stay in the network's memory until the last one is there.
 * Its gradients are read once, from there to where the run wants them. One thread at a time.
 */
final class ArrivedBatch implements AutoCloseable {

    private final BatchMessage first;
    private final long totalBytes;
    private final long begunNanos = System.nanoTime();
    private final List<GradientBytes> parts = new ArrayList<>(1);
    private long arrivedBytes;
    private long costBytes;
    private int announcedChecksum;

    /** Begins the batch that {@code first} begins, without taking it. */
    ArrivedBatch(BatchMessage first, long totalBytes) {
        this.first = first;
        this.totalBytes = totalBytes;
    }

    long batchSeq() {
        return first.batchSeq();
    }

    long[] sampleIds() {
        return first.sampleIds();
    }

    /** When its first message came. */
    long begunNanos() {
        return begunNanos;
    }

    /** Bytes of gradients that have arrived. */
    long arrivedBytes() {
        return arrivedBytes;
    }

    /** Bytes of gradients of the whole batch. */
    long totalBytes() {
        return totalBytes;
    }

    /** What its messages cost in memory. */
    long costBytes() {
        return costBytes;
    }

    boolean complete() {
        return arrivedBytes == totalBytes;
    }

    /** Whether {@code message} is of the same batch. */
    boolean sameBatch(BatchMessage message) {
        return message.batchSeq() == first.batchSeq()
                && message.allowDeleted() == first.allowDeleted()
                && Arrays.equals(message.sampleIds(), first.sampleIds())
                && Arrays.equals(message.steps(), first.steps());
    }

    /** Takes the next message. The gradients of the last one stay borrowed: the batch is read before its call ends. */
    void add(BatchMessage message) {
        long messageBytes = message.costBytes();
        int bytes = message.gradients().byteCount();
        arrivedBytes += bytes;
        announcedChecksum = Crc32c.combine(announcedChecksum, message.crc32c(), Crc32c.shift(bytes));
        parts.add(complete() ? message.gradients() : message.gradients().keep());
        costBytes += messageBytes;
    }

    /** The whole batch, whose gradients are valid until it is closed. */
    SampleBatch toSampleBatch(ElementType elementType) {
        return new SampleBatch(
                first.batchSeq(), first.sampleIds(), first.steps(), first.allowDeleted(), elementType, new Gradients());
    }

    /** Gives the network's memory back. */
    @Override
    public void close() {
        parts.forEach(GradientBytes::close);
        parts.clear();
    }

    private final class Gradients implements GradientSource {

        private int part;

        @Override
        public long byteCount() {
            return totalBytes;
        }

        @Override
        public void read(MemorySegment target) {
            for (long filled = 0; filled < target.byteSize(); ) {
                GradientBytes source = parts.get(part);
                long bytes = Math.min(source.byteCount(), target.byteSize() - filled);
                source.read(target.asSlice(filled, bytes));
                filled += bytes;
                if (source.byteCount() == 0) {
                    part++;
                }
            }
        }

        @Override
        public void verify(int crc32c) {
            if (crc32c != announcedChecksum) {
                throw new ChecksumMismatchException(batchSeq(), announcedChecksum, crc32c);
            }
        }
    }
}
