package io.datainf.engine.run;

import io.datainf.engine.memory.OffHeapRows;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.CompactionPace;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.FullSegment;
import io.datainf.engine.store.RecordLog;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFormatException;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes dead rows out of a run's files, and gives the memory of those back that no snapshot sees. Invisible otherwise: ordinals,
 * revisions and scores stay.
 *
 * <p>Threads: the maintenance thread; {@link #erasure} from any.
 */
final class RunCompaction {

    private static final Logger logger = LoggerFactory.getLogger(RunCompaction.class);
    // A segment that small joins neighbours which are rewritten anyhow.
    private static final int SMALL_SHARE = 8;
    // Rolling the current segment pays only if that much of a whole one is dead.
    private static final int ROLL_SHARE = 16;
    // Memory goes back in pieces of that size or in whole tiles: smaller ones would break huge pages up for little.
    private static final long DISCARD_BYTES = 1L << 20;

    private final RunId runId;
    private final RowTable rows;
    private final GroupCommit commit;
    private final RunLog log;
    private final RecordLog records;
    private final SnapshotLedger snapshots;
    private final StoreEvents events;
    private final CompactionOptions options;
    private final boolean rowsInFiles;
    private final CompactionPace pace;
    private final long segmentBytes;
    // Ordinals without a row in the files. Replaced as a whole.
    private volatile BitSet erased;
    // Dead rows whose memory was given back here.
    private final BitSet discarded = new BitSet();
    // Rows of segments that could not be read when they were to be compacted: not tried again before a restart.
    private final BitSet unreadable = new BitSet();
    private volatile boolean paused;
    private long pendingSinceNanos;
    private boolean anyPending;
    private long lastRevision = -1;
    private long lastOldestRevision = -1;

    RunCompaction(
            RunId runId,
            RowTable rows,
            GroupCommit commit,
            RunLog log,
            RecordLog records,
            SnapshotLedger snapshots,
            StoreEvents events,
            StoreOptions options) {
        this.runId = runId;
        this.rows = rows;
        this.commit = commit;
        this.log = log;
        this.records = records;
        this.snapshots = snapshots;
        this.events = events;
        this.options = options.compaction();
        this.rowsInFiles = options.durability() != Durability.NONE;
        this.pace = new CompactionPace(
                options.compaction().bytesPerSecond(),
                () -> paused || Thread.currentThread().isInterrupted());
        this.segmentBytes = options.segmentBytes();
        this.erased = new BitSet();
        RunState recovered = commit.state();
        for (int ordinal = 0; ordinal < recovered.rowCount(); ordinal++) {
            if (rows.hole(ordinal)) {
                erased.set(ordinal);
            }
        }
    }

    /** How far dead rows have left the files. The caller holds the rows. */
    Erasure erasure() {
        RunState state = commit.state();
        BitSet pending = pending(state);
        long erasedRevision = state.revision();
        for (int ordinal = pending.nextSetBit(0); ordinal >= 0; ordinal = pending.nextSetBit(ordinal + 1)) {
            erasedRevision = Math.min(erasedRevision, rows.deathRevision(ordinal) - 1);
        }
        long millis = records.compactTimeMillis();
        return new Erasure(
                pending.cardinality(),
                erasedRevision,
                millis == 0 ? Optional.empty() : Optional.of(Instant.ofEpochMilli(millis)));
    }

    /** Ends a compaction that runs within a piece of its writing, or lets the next one begin. From any thread. */
    void pause(boolean pause) {
        paused = pause;
    }

    /** Compacts what is due. */
    void maintain() {
        RunState state = commit.state();
        if (state.revision() != lastRevision || overdue()) {
            lastRevision = compactIfDue(state) ? state.revision() : -1;
        }
        long oldestRevision = snapshots.oldestRevision(state.revision());
        if (oldestRevision != lastOldestRevision) {
            discard(state, oldestRevision);
            lastOldestRevision = oldestRevision;
        }
    }

    /** Returns whether nothing more is to be done at this revision. */
    private boolean compactIfDue(RunState state) {
        BitSet pending = pending(state);
        if (pending.isEmpty()) {
            anyPending = false;
            return true;
        }
        if (!anyPending) {
            anyPending = true;
            pendingSinceNanos = System.nanoTime();
        }
        BitSet removable = removable(state, pending);
        try {
            compact(state, removable, overdue());
        } catch (IOException | StoreFormatException | CancellationException e) {
            logger.warn("run '{}' cannot be compacted now", runId, e);
        }
        return removable.equals(pending);
    }

    /** Rewrites everything that has dead rows, the current segment included. */
    void compactAll() throws IOException {
        log.roll();
        records.indexFullSegments();
        RunState state = commit.state();
        compact(state, removable(state, pending(state)), true);
    }

    private boolean overdue() {
        return anyPending
                && System.nanoTime() - pendingSinceNanos >= options.deadline().toNanos();
    }

    /** Dead rows in the files. Damaged ones stay: nobody asked for their removal. */
    private BitSet pending(RunState state) {
        if (!rowsInFiles) {
            return new BitSet();
        }
        BitSet pending = (BitSet) state.deadRows().clone();
        pending.andNot(state.damagedRows());
        pending.andNot(erased);
        return pending;
    }

    /** Those of them that no snapshot can ask the files for. */
    private BitSet removable(RunState state, BitSet pending) {
        BitSet removable = (BitSet) pending.clone();
        if (commit.partlyAbsent()) {
            long oldestRevision = snapshots.oldestRevision(state.revision());
            for (int k = removable.nextSetBit(0); k >= 0; k = removable.nextSetBit(k + 1)) {
                removable.set(k, rows.deathRevision(k) <= oldestRevision);
            }
        }
        return removable;
    }

    private void compact(RunState state, BitSet pending, boolean all) throws IOException {
        List<FullSegment> segments = records.fullSegments();
        List<FullSegment> group = new ArrayList<>();
        long groupBytes = 0;
        List<Exception> failures = new ArrayList<>();
        for (FullSegment segment : segments) {
            if (!possible(segment, state)) {
                compact(group, pending, failures);
                group = new ArrayList<>();
                groupBytes = 0;
                continue;
            }
            long liveBytes = segment.bytes() - deadBytes(segment, pending);
            boolean due = due(segment, pending, all);
            boolean joins = !group.isEmpty() && segment.bytes() < segmentBytes / SMALL_SHARE;
            if (!group.isEmpty() && ((!due && !joins) || groupBytes + liveBytes > segmentBytes)) {
                compact(group, pending, failures);
                group = new ArrayList<>();
                groupBytes = 0;
            }
            if (due || (joins && !group.isEmpty())) {
                group.add(segment);
                groupBytes += liveBytes;
            }
        }
        compact(group, pending, failures);
        long currentFirst = segments.isEmpty() ? 0 : segments.getLast().ordinalEnd();
        // Unknown if its header is damaged: nothing is written to it any more then.
        if (currentFirst >= 0) {
            rollIfDue(state, pending, currentFirst, all);
        }
        if (all) {
            pendingSinceNanos = System.nanoTime();
        }
        if (!failures.isEmpty()) {
            IOException failure =
                    new IOException("%d groups of segments could not be rewritten".formatted(failures.size()));
            failures.forEach(failure::addSuppressed);
            throw failure;
        }
    }

    /** Whether a segment can be compacted. Nothing else may be asked about one that cannot: its ordinals may be unknown. */
    private boolean possible(FullSegment segment, RunState state) {
        return segment.sound() && count(segment, state.damagedRows()) == 0 && count(segment, unreadable) == 0;
    }

    private void rollIfDue(RunState state, BitSet pending, long currentFirst, boolean all) {
        long dead = pending.get((int) currentFirst, Math.max(state.rowCount(), (int) currentFirst))
                .cardinality();
        long written = state.rowCount() - currentFirst;
        boolean due = dead >= options.deadShare() * written
                && dead * rows.gradients().rowBytes() >= segmentBytes / ROLL_SHARE;
        if (dead > 0 && (all || due)) {
            log.roll();
        }
    }

    private boolean due(FullSegment segment, BitSet pending, boolean all) {
        long dead = deadBytes(segment, pending);
        return dead > 0 && (all || dead >= options.deadShare() * segment.bytes());
    }

    /** The share of a segment's bytes that its dead rows have, heads included. */
    private long deadBytes(FullSegment segment, BitSet pending) {
        long present = segment.ordinalEnd() - segment.firstOrdinal() - count(segment, erased);
        return present == 0 ? 0 : (long) ((double) segment.bytes() * count(segment, pending) / present);
    }

    private static long count(FullSegment segment, BitSet ordinals) {
        return ordinals.get((int) segment.firstOrdinal(), (int) segment.ordinalEnd())
                .cardinality();
    }

    /** Compacts a group, if it has any segments; tells of a failure in {@code failures}. */
    private void compact(List<FullSegment> group, BitSet pending, List<Exception> failures) {
        if (group.isEmpty()) {
            return;
        }
        try {
            compact(group, pending);
        } catch (IOException e) {
            failures.add(e);
        } catch (StoreFormatException e) {
            failures.add(e);
            events.damaged();
            unreadable.set(
                    (int) group.getFirst().firstOrdinal(), (int) group.getLast().ordinalEnd());
        }
    }

    private void compact(List<FullSegment> group, BitSet pending) throws IOException {
        records.compact(group, pending::get, pace);
        BitSet gone = (BitSet) pending.clone();
        gone.clear(0, (int) group.getFirst().firstOrdinal());
        gone.clear((int) group.getLast().ordinalEnd(), Math.max(gone.length(), (int)
                group.getLast().ordinalEnd()));
        logger.info("run '{}': {} segments compacted, {} dead rows gone", runId, group.size(), gone.cardinality());
        gone.or(erased);
        erased = gone;
    }

    /** Gives back the memory of rows that are dead for every snapshot. */
    private void discard(RunState state, long oldestRevision) {
        long stride = rows.gradients().strideBytes();
        BitSet dead = (BitSet) state.deadRows().clone();
        dead.andNot(state.absentRows());
        int first = dead.nextSetBit(0);
        while (first >= 0) {
            int tileEnd = first / OffHeapRows.TILE_ROWS * OffHeapRows.TILE_ROWS + OffHeapRows.TILE_ROWS;
            int end = first;
            while (end < tileEnd && dead.get(end) && !discarded.get(end) && rows.deathRevision(end) <= oldestRevision) {
                end++;
            }
            boolean wholeTile = end - first == OffHeapRows.TILE_ROWS;
            if (end > first && (wholeTile || (end - first) * stride >= DISCARD_BYTES)) {
                rows.discard(first, end - first);
                discarded.set(first, end);
            }
            first = dead.nextSetBit(Math.max(end, first + 1));
        }
    }
}
