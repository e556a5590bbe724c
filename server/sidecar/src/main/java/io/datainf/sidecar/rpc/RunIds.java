package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;

/** Decodes names of runs. */
final class RunIds {

    private RunIds() {}

    /**
     * Returns the id.
     *
     * @throws InvalidRequestException if it is none
     */
    static RunId decode(String field, String value) {
        try {
            return new RunId(value);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(field, String.valueOf(e.getMessage()));
        }
    }
}
