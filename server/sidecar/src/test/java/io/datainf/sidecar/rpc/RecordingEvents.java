package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.sidecar.ingest.IngestEvents;
import io.datainf.sidecar.query.QueryEvents;
import io.datainf.sidecar.query.QueryFailure;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/** Counts what the sidecar reports. */
final class RecordingEvents implements IngestEvents, QueryEvents {

    final AtomicLong openStreams = new AtomicLong();
    final AtomicLong heldStreams = new AtomicLong();
    final AtomicLong receivedBatches = new AtomicLong();
    final AtomicLong greatestUnackedBytes = new AtomicLong();
    final AtomicLong ackedBatches = new AtomicLong();
    final AtomicLong storedSamples = new AtomicLong();
    final AtomicLong rejectedSamples = new AtomicLong();
    final AtomicLong failedBatches = new AtomicLong();
    final AtomicLong answeredQueries = new AtomicLong();
    final AtomicLong failedQueries = new AtomicLong();
    final AtomicLong refusedQueries = new AtomicLong();
    final Queue<Integer> batchWidths = new ConcurrentLinkedQueue<>();

    private final AtomicLong unackedBytes = new AtomicLong();

    @Override
    public void streamOpened() {
        openStreams.incrementAndGet();
    }

    @Override
    public void streamClosed() {
        openStreams.decrementAndGet();
    }

    @Override
    public void streamHeld(boolean held) {
        heldStreams.addAndGet(held ? 1 : -1);
    }

    @Override
    public void batchReceived(int sampleCount, long payloadBytes) {
        receivedBatches.incrementAndGet();
        long unacked = unackedBytes.addAndGet(payloadBytes);
        greatestUnackedBytes.accumulateAndGet(unacked, Math::max);
    }

    @Override
    public void batchAcked(
            int addedCount, int replacedCount, int duplicateCount, int rejectedCount, long payloadBytes, long nanos) {
        ackedBatches.incrementAndGet();
        unackedBytes.addAndGet(-payloadBytes);
        storedSamples.addAndGet(addedCount + replacedCount);
        rejectedSamples.addAndGet(rejectedCount);
    }

    @Override
    public void batchFailed(int sampleCount, long payloadBytes) {
        failedBatches.incrementAndGet();
    }

    @Override
    public void batchComputed(
            String engineName, InfluenceMethod method, int pointCount, long computeNanos, double scannedBytes) {
        batchWidths.add(pointCount);
    }

    @Override
    public void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos) {
        answeredQueries.incrementAndGet();
    }

    @Override
    public void queryFailed(InfluenceMethod method, QueryFailure failure) {
        failedQueries.incrementAndGet();
    }

    @Override
    public void queryRefused() {
        refusedQueries.incrementAndGet();
    }
}
