package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.influence.BlockStatisticsAccumulator;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Statistics of one state of a run, summed when they are first asked for. Where rows have died, all that are left are
 * summed again: O(n L), which is little beside a query and much beside a deletion, so the one who asks pays. Safe for any
 * number of threads; callers hold the rows.
 */
final class LazyStatistics {

    private final RowTable rows;
    private final int rowCount;
    private final BitSet deadRows;

    @GuardedBy("this")
    private @Nullable BlockStatistics statistics;

    @GuardedBy("this")
    private @Nullable BlockStatisticsAccumulator sums;

    /**
     * Creates statistics over the live rows among the first {@code rowCount}.
     *
     * @param statistics what they are, if that is known
     */
    LazyStatistics(RowTable rows, int rowCount, BitSet deadRows, @Nullable BlockStatistics statistics) {
        this.rows = rows;
        this.rowCount = rowCount;
        this.deadRows = deadRows;
        this.statistics = statistics;
    }

    /** Returns the statistics. */
    synchronized BlockStatistics get() {
        BlockStatistics known = statistics;
        if (known == null) {
            BlockStatisticsAccumulator summed =
                    new BlockStatisticsAccumulator(rows.squaredNorms().blockCount());
            for (int ordinal = deadRows.nextClearBit(0); ordinal < rowCount; ) {
                summed.add(rows.squaredNorms(), ordinal);
                ordinal = deadRows.nextClearBit(ordinal + 1);
            }
            sums = summed;
            known = summed.snapshot();
            statistics = known;
        }
        return known;
    }

    /** Returns the sums, for the caller to go on with, if they were made here; once. */
    synchronized @Nullable BlockStatisticsAccumulator takeSums() {
        BlockStatisticsAccumulator taken = sums;
        sums = null;
        return taken;
    }
}
