package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Which states open snapshots show. Safe for any number of threads. */
final class SnapshotLedger {

    /**
     * A state and its place in the ledger.
     *
     * @param number counts up with each state opened
     */
    record Entry(long number, RunState state) {}

    // Revision of each entry by number. States are opened in their order, so the first shows the oldest.
    @GuardedBy("this")
    private final TreeMap<Long, Long> open = new TreeMap<>();

    @GuardedBy("this")
    private long nextNumber;

    /** Takes a state and counts it as shown; in one step, so that {@link #oldestRevision} does not overlook it. */
    synchronized Entry open(Supplier<RunState> newest) {
        RunState state = newest.get();
        open.put(nextNumber, state.revision());
        return new Entry(nextNumber++, state);
    }

    /** An entry is not shown any more. */
    synchronized void close(Entry entry) {
        open.remove(entry.number());
    }

    /**
     * Returns the oldest revision that an open snapshot shows, or {@code newestRevision} if there is none. What was dead at
     * that revision is seen by no snapshot, present or to come, if {@code newestRevision} is of a state that is out already.
     */
    synchronized long oldestRevision(long newestRevision) {
        return open.isEmpty()
                ? newestRevision
                : Math.min(newestRevision, open.firstEntry().getValue());
    }

    /** The number that the next entry gets: those below may show states from before what is out by now. */
    synchronized long nextNumber() {
        return nextNumber;
    }

    /** Whether all entries below a number are closed. */
    synchronized boolean closedBefore(long number) {
        return open.isEmpty() || open.firstKey() >= number;
    }
}
