package io.datainf.sidecar.ingest;

import io.datainf.sidecar.tracing.CallTrace;
import org.jspecify.annotations.Nullable;

/**
 * A session's side of the connection to its writer. The session calls it from one thread at a time and while it holds its
 * own lock: implementations hand over and return, and never call the session back from within.
 */
public interface IngestSink {

    /** Where the session's batches are traced. */
    default CallTrace trace() {
        return CallTrace.OFF;
    }

    /** Whether the writer reads fast enough that another ack can be sent without piling up. */
    boolean ready();

    /** The session is open. First call, exactly once. */
    void opened(long resumeAfterBatchSeq);

    /** Some batches are durable. */
    void ack(BatchAck ack);

    /** One more message may come. */
    void requestNext();

    /**
     * The session is over. Last call, exactly once, unless the session was abandoned.
     *
     * @param cause why, or null when all went well
     */
    void end(@Nullable Throwable cause);
}
