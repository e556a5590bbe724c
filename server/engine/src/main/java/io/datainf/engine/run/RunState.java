package io.datainf.engine.run;

import java.util.BitSet;

/**
 * What is durable in a run at one revision. Immutable.
 *
 * @param revision steps so far
 * @param rowCount rows, dead ones included
 * @param sampleCount live rows, n
 * @param deadRows ordinals of rows that do not count: replaced, deleted, damaged, or left out by compaction; not changed
 * @param damagedRows those of them that were never replaced or deleted, and cannot be read; not changed
 * @param statistics n and sum of q over the live rows
 */
record RunState(
        long revision, int rowCount, int sampleCount, BitSet deadRows, BitSet damagedRows, LazyStatistics statistics) {}
