package io.datainf.client;

import io.grpc.Status;

/** A writer's buffer had no room for all samples of one call. The writer goes on; the code is RESOURCE_EXHAUSTED. */
public final class WriterFullException extends DataInfException {
    private static final long serialVersionUID = 1;
    private static final String REASON = "WRITER_FULL";

    private final int acceptedCount;

    WriterFullException(String message, int acceptedCount) {
        super(Status.Code.RESOURCE_EXHAUSTED, REASON, message);
        this.acceptedCount = acceptedCount;
    }

    /** Samples of the call that were taken before, always the first ones; 0 unless the policy is BLOCK. */
    public int acceptedCount() {
        return acceptedCount;
    }
}
