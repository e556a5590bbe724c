package io.datainf.engine.run;

import io.datainf.engine.influence.BlockStatisticsAccumulator;
import java.util.BitSet;

/**
 * Leads a run from one state to the next, when it is recovered and when batches arrive.
 *
 * <p>The statistics are always those of one compensated sum over the live rows in ordinal order: a new row continues the
 * sum, a replacement starts it again. So they are bit-identical after a restart. One thread.
 */
final class RunStateBuilder {

    private final RowTable rows;
    private BlockStatisticsAccumulator sums;
    private BitSet deadRows = new BitSet();
    private boolean deadRowsShared;
    private boolean resum;

    RunStateBuilder(RowTable rows) {
        this.rows = rows;
        this.sums = newSums();
    }

    /** Appends the row that was filled into {@link RowTable#nextRow()}. */
    void append(long id, double[] q) {
        int replaced = rows.append(id, q);
        if (replaced >= 0) {
            if (deadRowsShared) {
                deadRows = (BitSet) deadRows.clone();
                deadRowsShared = false;
            }
            deadRows.set(replaced);
            resum = true;
        } else if (!resum) {
            sums.add(q);
        }
    }

    /** Returns the state after all rows appended so far. */
    RunState build(long revision) {
        if (resum) {
            sums = newSums();
            for (int ordinal = deadRows.nextClearBit(0); ordinal < rows.rowCount(); ) {
                sums.add(rows.squaredNorms(), ordinal);
                ordinal = deadRows.nextClearBit(ordinal + 1);
            }
            resum = false;
        }
        deadRowsShared = true;
        return new RunState(revision, rows.rowCount(), deadRows, sums.snapshot());
    }

    private BlockStatisticsAccumulator newSums() {
        return new BlockStatisticsAccumulator(rows.squaredNorms().blockCount());
    }
}
