package io.datainf.sidecar.query;

import io.datainf.engine.run.RunId;

/** The run is not yet at the revision that a query asks for. */
public final class RevisionNotReachedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RevisionNotReachedException(RunId run, long minRevision, long revision) {
        super("min_revision is %d: run '%s' is at revision %d".formatted(minRevision, run, revision));
    }
}
