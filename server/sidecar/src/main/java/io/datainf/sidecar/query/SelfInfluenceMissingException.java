package io.datainf.sidecar.query;

import io.datainf.engine.run.RunId;

/** RelatIF needs the self-influence of all samples, which has not been computed at this revision and damping. */
public final class SelfInfluenceMissingException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    SelfInfluenceMissingException(RunId run, long revision, int dampingIndex) {
        super(
                ("normalization RELATIF needs the self-influence of all samples of run '%s' at revision %d and damping %d of the"
                                + " query: call ComputeSelfInfluence of all samples with that damping first")
                        .formatted(run.value(), revision, dampingIndex));
    }
}
