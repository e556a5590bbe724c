package io.datainf.sidecar.query;

import io.datainf.engine.run.RunSnapshot;

/** What a snapshot must be to be asked. */
public final class Snapshots {

    private Snapshots() {}

    /**
     * Returns if a question can be answered from the snapshot.
     *
     * @throws RevisionNotReachedException if it is not yet at the revision asked for
     * @throws EmptyRunException if it holds no samples
     */
    public static void requireAnswerable(RunSnapshot snapshot, long minRevision) {
        requireRevision(snapshot, minRevision);
        if (snapshot.samples().sampleCount() == 0) {
            throw new EmptyRunException(snapshot.definition().id());
        }
    }

    /** The same, for what can be told of a run without samples. */
    public static void requireRevision(RunSnapshot snapshot, long minRevision) {
        if (snapshot.revision() < minRevision) {
            throw new RevisionNotReachedException(snapshot.definition().id(), minRevision, snapshot.revision());
        }
    }
}
