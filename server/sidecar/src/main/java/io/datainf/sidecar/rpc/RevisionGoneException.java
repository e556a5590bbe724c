package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;

/** A revision was asked for that the run has left behind. */
final class RevisionGoneException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RevisionGoneException(RunId run, long asked, long revision) {
        super("revision is %d: run '%s' is at revision %d, and earlier ones can no longer be read"
                .formatted(asked, run, revision));
    }
}
