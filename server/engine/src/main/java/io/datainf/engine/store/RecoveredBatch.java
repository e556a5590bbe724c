package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** One batch of the log, read back. Valid only during the call that it is handed to. */
public final class RecoveredBatch {

    /** Takes the batches of a log in the order in which they were written. */
    @FunctionalInterface
    public interface Visitor {

        /** Takes one batch. */
        void visit(RecoveredBatch batch) throws IOException;
    }

    private final SegmentReader segment;
    private final long position;
    private final FrameFormat.Head head;

    RecoveredBatch(SegmentReader segment, long position, FrameFormat.Head head) {
        this.segment = segment;
        this.position = position;
        this.head = head;
    }

    /** Revision of the run after the batch. */
    public long revision() {
        return head.revision();
    }

    /** Samples stored, s. */
    public int storedCount() {
        return head.shape().storedCount();
    }

    /** Id of the {@code i}-th stored sample. */
    public long sampleId(int i) {
        return head.sampleId(i);
    }

    /** q of the {@code i}-th stored sample, [L]. */
    public void squaredNorms(int i, double[] target) {
        head.squaredNorms(i, target);
    }

    /**
     * Reads the row of the {@code i}-th stored sample into {@code target}, a row long and outside the heap.
     *
     * @throws CorruptSegmentException if it is damaged
     */
    public void readRow(int i, MemorySegment target) throws IOException {
        segment.readRow(position, head, i, target);
    }
}
