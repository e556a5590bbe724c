package io.datainf.sidecar.query;

import io.datainf.engine.run.RunId;

/** The run holds no samples, so nothing can have influence. */
public final class EmptyRunException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    EmptyRunException(RunId run) {
        super("run '%s' holds no samples: expected at least 1".formatted(run));
    }
}
