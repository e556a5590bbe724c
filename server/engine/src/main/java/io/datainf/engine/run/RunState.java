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
 * @param absentRows rows whose gradients are not in memory, dead ones perhaps among them; not changed
 * @param statistics n and sum of q over the live rows
 */
record RunState(
        long revision,
        int rowCount,
        int sampleCount,
        BitSet deadRows,
        BitSet damagedRows,
        BitSet absentRows,
        LazyStatistics statistics) {

    /** How many samples are in memory. */
    int residentCount() {
        if (absentRows.isEmpty()) {
            return sampleCount;
        }
        BitSet absent = (BitSet) absentRows.clone();
        absent.andNot(deadRows);
        return sampleCount - absent.cardinality();
    }

    /** The same with other rows in memory. */
    RunState withAbsent(BitSet others) {
        return new RunState(revision, rowCount, sampleCount, deadRows, damagedRows, others, statistics);
    }
}
