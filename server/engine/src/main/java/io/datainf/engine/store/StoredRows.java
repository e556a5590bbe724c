package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** The rows of a batch in their file. Valid only during the call that it is handed to. */
public final class StoredRows {

    /** Takes the rows of a log in the order in which they were written. */
    @FunctionalInterface
    public interface Visitor {

        /** Takes the rows of one batch. */
        void rows(StoredRows rows);
    }

    private final SegmentReader segment;
    private final FrameFormat.Head head;

    StoredRows(SegmentReader segment, FrameFormat.Head head) {
        this.segment = segment;
        this.head = head;
    }

    /** Rows of the batch. */
    public int rowCount() {
        return head.shape().rowCount();
    }

    /** Ordinal of the {@code i}-th row; ascending. */
    public long ordinal(int i) {
        return head.ordinal(i);
    }

    /**
     * Reads the {@code i}-th row into {@code target}, a row long and outside the heap.
     *
     * @throws CorruptSegmentException if it is damaged
     */
    public void read(int i, MemorySegment target) throws IOException {
        segment.readRow(head, i, target);
    }
}
