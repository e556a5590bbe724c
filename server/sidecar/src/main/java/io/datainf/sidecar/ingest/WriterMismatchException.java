package io.datainf.sidecar.ingest;

import io.datainf.engine.run.RunId;

/** A writer's gradients do not belong to the run: other blocks, or taken at another checkpoint. */
public final class WriterMismatchException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String field;

    WriterMismatchException(RunId run, String field, String actual, String expected) {
        super("%s is '%s': run '%s' has '%s'".formatted(field, actual, run, expected));
        this.field = field;
    }

    /** What differs, as the protocol names it: "layout_hash" or "checkpoint". */
    public String field() {
        return field;
    }
}
