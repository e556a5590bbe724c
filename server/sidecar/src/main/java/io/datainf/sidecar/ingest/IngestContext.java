package io.datainf.sidecar.ingest;

import java.util.concurrent.Executor;

/**
 * What all sessions share.
 *
 * @param budget bounds the bytes in memory over all sessions
 * @param maxMessageBytes largest message; at least 1
 * @param maxUnackedBytes most bytes of one session received and not acked before reading stops; at least 1
 * @param events is told what happens
 * @param executor frees memory and sends acks; its tasks are short and do not block
 */
public record IngestContext(
        InFlightBudget budget, int maxMessageBytes, long maxUnackedBytes, IngestEvents events, Executor executor) {

    /** Returns the same with another budget. */
    public IngestContext with(InFlightBudget other) {
        return new IngestContext(other, maxMessageBytes, maxUnackedBytes, events, executor);
    }

    public IngestContext {
        if (maxUnackedBytes < 1) {
            throw new IllegalArgumentException("maxUnackedBytes is %d: expected at least 1".formatted(maxUnackedBytes));
        }
    }
}
