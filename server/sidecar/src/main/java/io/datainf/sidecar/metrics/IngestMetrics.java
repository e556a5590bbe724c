package io.datainf.sidecar.metrics;

import io.datainf.sidecar.ingest.IngestEvents;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** Counts what writers do. */
final class IngestMetrics implements IngestEvents {

    private final AtomicLong openStreams = new AtomicLong();
    private final AtomicLong heldStreams = new AtomicLong();
    private final AtomicLong pendingBatches = new AtomicLong();
    private final Counter receivedBytes;
    private final Counter ackedBatches;
    private final Counter failedBatches;
    private final Counter storedSamples;
    private final Counter replacedSamples;
    private final Counter duplicateSamples;
    private final Counter rejectedSamples;
    private final Counter failedSamples;
    private final Timer ack;

    IngestMetrics(MeterRegistry registry) {
        Gauge.builder(MeterNames.INGEST_STREAMS, openStreams, AtomicLong::get)
                .description("Streams of writers that are open")
                .register(registry);
        Gauge.builder(MeterNames.INGEST_STREAMS_HELD, heldStreams, AtomicLong::get)
                .description("Streams of writers that are not read, because too much is not durable yet")
                .register(registry);
        Gauge.builder(MeterNames.INGEST_PENDING_BATCHES, pendingBatches, AtomicLong::get)
                .description("Batches that arrived whole and are not durable yet")
                .register(registry);
        receivedBytes = Counter.builder(MeterNames.INGEST_RECEIVED)
                .description("Gradient payload of batches that arrived whole")
                .baseUnit("bytes")
                .register(registry);
        ackedBatches = batches(registry, "acked");
        failedBatches = batches(registry, "failed");
        storedSamples = samples(registry, "stored");
        replacedSamples = samples(registry, "replaced");
        duplicateSamples = samples(registry, "duplicate");
        rejectedSamples = samples(registry, "rejected");
        failedSamples = samples(registry, "failed");
        ack = Latencies.timer(MeterNames.INGEST_ACK, "Time from the arrival of a batch's last byte to its ack")
                .register(registry);
    }

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
        pendingBatches.incrementAndGet();
        receivedBytes.increment((double) payloadBytes);
    }

    @Override
    public void batchAcked(
            int addedCount, int replacedCount, int duplicateCount, int rejectedCount, long payloadBytes, long nanos) {
        pendingBatches.decrementAndGet();
        ackedBatches.increment();
        storedSamples.increment(addedCount);
        replacedSamples.increment(replacedCount);
        duplicateSamples.increment(duplicateCount);
        rejectedSamples.increment(rejectedCount);
        ack.record(Duration.ofNanos(nanos));
    }

    @Override
    public void batchFailed(int sampleCount, long payloadBytes) {
        pendingBatches.decrementAndGet();
        failedBatches.increment();
        failedSamples.increment(sampleCount);
    }

    private static Counter batches(MeterRegistry registry, String outcome) {
        return Counter.builder(MeterNames.INGEST_BATCHES)
                .description("Batches of samples by what became of them")
                .tag(MeterNames.TAG_OUTCOME, outcome)
                .register(registry);
    }

    private static Counter samples(MeterRegistry registry, String outcome) {
        return Counter.builder(MeterNames.INGEST_SAMPLES)
                .description(
                        "Samples by what became of them; replaced: stored in place of an earlier one; failed: their batch was"
                                + " not applied and may be sent again")
                .tag(MeterNames.TAG_OUTCOME, outcome)
                .register(registry);
    }
}
