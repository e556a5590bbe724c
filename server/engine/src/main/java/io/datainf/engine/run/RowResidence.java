package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Memory is given back in two steps: first the state says that the rows are absent, which snapshots to come go by; then, once all snapshots from before are closed,
 * the memory goes. Rows come back the other way round: first they are filled in, then the state says so. Snapshots of before still read them from the files.
 */
/** Takes rows of a run out of memory and brings them back, unnoticed by snapshots. Safe for any number of threads; the maintenance thread does it. */
final class RowResidence {

    private static final Logger logger = LoggerFactory.getLogger(RowResidence.class);
    private static final int TILE_ROWS = OffHeapRows.TILE_ROWS;

    private final RowTable rows;
    private final GroupCommit commit;
    private final SnapshotLedger ledger;
    private final RowAccess access;

    @GuardedBy("this")
    private final Deque<Evicted> evicted = new ArrayDeque<>();

    /** Rows that snapshots of a number below may still see in memory. */
    private record Evicted(BitSet ordinals, long number) {}

    RowResidence(RowTable rows, GroupCommit commit, SnapshotLedger ledger, RowAccess access) {
        this.rows = rows;
        this.commit = commit;
        this.ledger = ledger;
        this.access = access;
    }

    /** Bytes that are on their way out of memory. */
    synchronized long leavingBytes() {
        return evicted.stream().mapToLong(some -> some.ordinals.cardinality()).sum()
                * rows.gradients().strideBytes();
    }

    /** Gives the memory of evicted rows back that no snapshot sees any more. */
    synchronized void discard() {
        while (!evicted.isEmpty() && ledger.closedBefore(evicted.element().number)) {
            BitSet ordinals = evicted.remove().ordinals;
            for (int first = ordinals.nextSetBit(0); first >= 0; ) {
                int tileEnd = (first / TILE_ROWS + 1) * TILE_ROWS;
                int end = Math.min(ordinals.nextClearBit(first), tileEnd);
                rows.discard(first, end - first);
                first = ordinals.nextSetBit(end);
            }
        }
    }

    /** Takes rows out of memory, the newest first, whole tiles, until they come to {@code bytes} or none is left. */
    synchronized void evict(long bytes) {
        RunState state = commit.state();
        BitSet resident = new BitSet();
        resident.set(0, state.rowCount());
        resident.andNot(state.absentRows());
        resident.andNot(state.deadRows()); // compaction gives the memory of these back
        long wanted = bytes / rows.gradients().strideBytes() + 1;
        BitSet ordinals = new BitSet();
        int end = resident.length();
        while (end > 0 && wanted > 0) {
            int first = (end - 1) / TILE_ROWS * TILE_ROWS;
            for (int k = resident.nextSetBit(first); k >= 0 && k < end; k = resident.nextSetBit(k + 1)) {
                ordinals.set(k);
                wanted--;
            }
            end = resident.previousSetBit(first - 1) + 1;
        }
        if (!ordinals.isEmpty()) {
            commit.setAbsent(ordinals, true);
            evicted.add(new Evicted(ordinals, ledger.nextNumber()));
            logger.info("run '{}': {} samples leave memory", access.runId(), ordinals.cardinality());
        }
        discard();
    }

    /** Brings absent rows into memory, the oldest first, until they come to {@code bytes} or memory is full. */
    synchronized void load(long bytes) {
        if (!evicted.isEmpty()) {
            return; // what leaves may not come back before it has left
        }
        BitSet loaded = new BitSet();
        try (RowView view = access.open(commit::state)) {
            BitSet absent = view.ordinals();
            long wanted = Math.max(1, bytes / rows.gradients().strideBytes());
            int[] ordinals = absent.stream()
                    .limit(wanted)
                    .takeWhile(ordinal -> rows.tryReserve(1))
                    .toArray();
            boolean complete = false;
            MemorySegment[] targets = new MemorySegment[ordinals.length];
            try {
                for (int i = 0; i < ordinals.length; i++) {
                    targets[i] = rows.gradients().row(ordinals[i]);
                    loaded.set(ordinals[i]);
                }
                view.read(ordinals, targets).join();
                complete = true;
            } finally {
                if (!complete) {
                    rows.unreserve(ordinals.length);
                    clear(ordinals, targets);
                }
            }
        }
        if (!loaded.isEmpty()) {
            rows.gradients().filledIn();
            commit.setAbsent(loaded, false);
            logger.info("run '{}': {} samples are in memory again", access.runId(), loaded.cardinality());
        }
    }

    /** Takes back what was read in vain: kernels multiply dead rows with 0, which garbage would turn into NaN. */
    private void clear(int[] ordinals, MemorySegment[] targets) {
        for (int i = 0; i < ordinals.length; i++) {
            if (targets[i] != null) {
                targets[i].fill((byte) 0);
                rows.gradients().discard(ordinals[i], 1);
            }
        }
    }
}
