package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;
import io.datainf.sidecar.security.Caller;

/** Decodes names of runs, for callers who may use them. */
final class RunIds {

    private RunIds() {}

    /**
     * Returns the id.
     *
     * @throws InvalidRequestException if it is none
     * @throws AccessDeniedException if the caller may not use that run, whether there is one or not
     */
    static RunId decode(String field, String value) {
        RunId id;
        try {
            id = new RunId(value);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(field, String.valueOf(e.getMessage()));
        }
        requireAllowed(id);
        return id;
    }

    /**
     * Checks that the caller may use a run.
     *
     * @throws AccessDeniedException if not
     */
    static void requireAllowed(RunId id) {
        Caller caller = AccessControl.current();
        if (!caller.mayUse(id.value())) {
            throw AccessDeniedException.forbidden(
                    "RUN_FORBIDDEN",
                    "run '%s': token '%s' is for runs %s".formatted(id.value(), caller.name(), caller.runs()));
        }
        CallContext.nowAbout(id);
    }
}
