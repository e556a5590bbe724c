package io.datainf.sidecar.ingest;

/** Is told what writers do, for metrics. Called on network and log threads: implementations must not block or throw. */
public interface IngestEvents {

    /** A writer opened a stream. */
    void streamOpened();

    /** A stream ended, for whatever reason. Once for each that was opened. */
    void streamClosed();

    /**
     * Reading of a stream stops or goes on: what it has sent, or what all have sent, and is not acked has come to its bound, or has not
     * any more. Ends with false, at the latest when the stream ends.
     */
    void streamHeld(boolean held);

    /** A whole batch arrived and waits to become durable. */
    void batchReceived(int sampleCount, long payloadBytes);

    /**
     * A batch is durable and its ack was handed over.
     *
     * @param addedCount samples stored under ids that the run did not hold
     * @param replacedCount samples stored in place of others
     * @param nanos from the arrival of its last byte to the ack
     */
    void batchAcked(
            int addedCount, int replacedCount, int duplicateCount, int rejectedCount, long payloadBytes, long nanos);

    /** A batch that arrived whole was not applied. */
    void batchFailed(int sampleCount, long payloadBytes);
}
