package io.datainf.engine.influence;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.CompletableFuture;

/** Rows of a sample set that are not in memory, and how to read them. Safe for any number of threads. */
public interface AbsentRows {

    /** No rows: all are in memory. */
    AbsentRows NONE = new AbsentRows() {
        private final BitSet none = new BitSet();

        @Override
        public BitSet ordinals() {
            return none;
        }

        @Override
        public CompletableFuture<Void> read(int[] ordinals, MemorySegment[] targets) {
            throw new IllegalArgumentException("all rows are in memory");
        }
    };

    /** Which rows: live ones only. Not to be changed. */
    BitSet ordinals();

    /** Bytes of rows that a pass should have read at a time. */
    default long slabBytes() {
        return 64L << 20;
    }

    /**
     * Begins to read rows. The stage completes when all are read and checked, or, with what was wrong, when none is read any more. Rows of
     * several calls are read in the order of the calls.
     *
     * @param ordinals ascending
     * @param targets where each row goes, a row long and outside the heap
     */
    CompletableFuture<Void> read(int[] ordinals, MemorySegment[] targets);
}
