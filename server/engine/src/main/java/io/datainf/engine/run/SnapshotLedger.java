package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Which revisions open snapshots show. Safe for any number of threads. */
final class SnapshotLedger {

    @GuardedBy("this")
    private final TreeMap<Long, Integer> openCounts = new TreeMap<>();

    /** Takes a state and counts it as shown; in one step, so that {@link #oldestRevision} does not overlook it. */
    synchronized RunState open(Supplier<RunState> newest) {
        RunState state = newest.get();
        openCounts.merge(state.revision(), 1, Integer::sum);
        return state;
    }

    /** A snapshot of this revision was closed. */
    synchronized void close(long revision) {
        openCounts.computeIfPresent(revision, (any, count) -> count == 1 ? null : count - 1);
    }

    /**
     * Returns the oldest revision that an open snapshot shows, or {@code newestRevision} if there is none. What was dead at
     * that revision is seen by no snapshot, present or to come, if {@code newestRevision} is of a state that is out already.
     */
    synchronized long oldestRevision(long newestRevision) {
        return openCounts.isEmpty() ? newestRevision : Math.min(newestRevision, openCounts.firstKey());
    }
}
