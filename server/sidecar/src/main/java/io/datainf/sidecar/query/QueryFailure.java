package io.datainf.sidecar.query;

import io.datainf.engine.influence.MemoryLimitException;
import io.datainf.engine.run.UnknownRunException;
import io.datainf.engine.run.UnknownSampleException;
import java.util.concurrent.CancellationException;

/** Why a query that was queued was not answered. */
public enum QueryFailure {
    /** The client went away, or its deadline passed. */
    CANCELLED,
    /** The client asked for what cannot be. */
    INVALID,
    /** The server could not. */
    FAILED;

    static QueryFailure of(Throwable cause) {
        return switch (cause) {
            case CancellationException e -> CANCELLED;
            case InvalidQueryException e -> INVALID;
            case EmptyRunException e -> INVALID;
            case SelfInfluenceMissingException e -> INVALID;
            case UnknownRunException e -> INVALID;
            case UnknownSampleException e -> INVALID;
            case MemoryLimitException e -> INVALID;
            case QueryMemoryException e when !e.temporary() -> INVALID;
            default -> FAILED;
        };
    }
}
