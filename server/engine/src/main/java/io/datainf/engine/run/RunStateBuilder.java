package io.datainf.engine.run;

import io.datainf.engine.influence.BlockStatisticsAccumulator;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Leads a run from one state to the next, when it is recovered and when batches and deletions arrive.
 *
 * <p>The statistics are always those of one compensated sum over the live rows in ordinal order: a new row continues the
 * sum, a row that dies starts it again. So they are bit-identical after a restart. Not safe for concurrent use.
 */
final class RunStateBuilder {

    private final RowTable rows;
    private final Set<Long> deletedIds = new HashSet<>();
    // Null since a row died, until someone has summed again.
    private @Nullable BlockStatisticsAccumulator sums;
    private BitSet deadRows = new BitSet();
    private BitSet damagedRows = new BitSet();
    private BitSet absentRows = new BitSet();
    private int deadCount;
    private boolean shared;
    // While a compacted log is read back: what killed a row first may have been left out, so the revision is not known.
    private boolean killersLost;
    private @Nullable LazyStatistics last;

    RunStateBuilder(RowTable rows) {
        this.rows = rows;
        this.sums = new BlockStatisticsAccumulator(rows.squaredNorms().blockCount());
    }

    /**
     * Appends a row; returns whether it replaces a live one. See {@link RowTable#append}.
     *
     * @param revision revision of the run after it
     * @param resident whether its gradient is in memory
     */
    boolean append(long id, double[] q, int checksum, long step, long revision, boolean resident) {
        resumeSums();
        if (!resident) {
            unshare();
            absentRows.set(rows.rowCount());
        }
        int before = rows.append(id, q, checksum, step, revision);
        boolean replaces = before >= 0 && !deadRows.get(before);
        if (before >= 0) {
            die(before, revision);
        }
        if (!deletedIds.isEmpty()) {
            deletedIds.remove(id);
        }
        if (sums != null) {
            sums.add(q);
        }
        return replaces;
    }

    /** Deletes the sample of this id, and remembers that it was deleted; {@code revision} is that after it. */
    void delete(long id, long revision) {
        int ordinal = rows.newestOrdinal(id);
        if (ordinal >= 0) {
            die(ordinal, revision);
        }
        deletedIds.add(id);
    }

    /** Appends ordinals without rows up to {@code rowCount}; {@code damaged} if samples were lost there. */
    void skipTo(int rowCount, boolean damaged) {
        while (rows.rowCount() < rowCount) {
            int ordinal = rows.rowCount();
            rows.appendHole();
            unshare();
            deadRows.set(ordinal);
            absentRows.set(ordinal);
            damagedRows.set(ordinal, damaged);
            deadCount++;
            killersLost |= !damaged;
        }
    }

    /** Takes a live row out because it cannot be read. At any time: what the log thread asks for meanwhile waits. */
    synchronized void damage(int ordinal) {
        if (!deadRows.get(ordinal)) {
            die(ordinal, 0);
            damagedRows.set(ordinal);
        }
    }

    /** Notes which rows are not in memory; returns {@code state}, the newest, with that. */
    synchronized RunState setAbsent(BitSet ordinals, boolean absent, RunState state) {
        unshare();
        if (absent) {
            absentRows.or(ordinals);
        } else {
            absentRows.andNot(ordinals);
        }
        shared = true;
        return state.withAbsent(absentRows);
    }

    /** Whether a row does not count. */
    synchronized boolean dead(int ordinal) {
        return deadRows.get(ordinal);
    }

    /** Whether the sample of this id was deleted, and not added again since. */
    boolean deleted(long id) {
        return !deletedIds.isEmpty() && deletedIds.contains(id);
    }

    /** Whether the run holds a sample of this id, damaged ones included. */
    synchronized boolean holds(long id) {
        int ordinal = rows.newestOrdinal(id);
        return ordinal >= 0 && (!deadRows.get(ordinal) || damagedRows.get(ordinal));
    }

    /** Returns the state after everything so far. */
    RunState build(long revision) {
        shared = true;
        killersLost = false;
        LazyStatistics statistics =
                new LazyStatistics(rows, rows.rowCount(), deadRows, sums == null ? null : sums.snapshot());
        last = statistics;
        return new RunState(
                revision, rows.rowCount(), rows.rowCount() - deadCount, deadRows, damagedRows, absentRows, statistics);
    }

    private void die(int ordinal, long revision) {
        boolean counted = !deadRows.get(ordinal);
        if (!counted && !damagedRows.get(ordinal)) {
            return;
        }
        unshare();
        damagedRows.clear(ordinal);
        if (!killersLost) {
            rows.setDeathRevision(ordinal, revision);
        }
        if (counted) {
            deadRows.set(ordinal);
            deadCount++;
            sums = null;
            last = null;
        }
    }

    private void unshare() {
        if (shared) {
            deadRows = (BitSet) deadRows.clone();
            damagedRows = (BitSet) damagedRows.clone();
            absentRows = (BitSet) absentRows.clone();
            shared = false;
        }
    }

    /** Goes on with the sums of the last state if someone has asked for them and no row has died since. */
    private void resumeSums() {
        LazyStatistics latest = last;
        if (sums == null && latest != null) {
            sums = latest.takeSums();
        }
        last = null;
    }
}
