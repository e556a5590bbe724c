package io.datainf.sidecar.metrics;

import io.datainf.engine.store.StoreEvents;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;

/** Counts what the store does. */
final class StoreMetrics implements StoreEvents {

    private final Counter appendedBytes;
    private final Timer force;
    private final Counter failures;
    private final Counter tailCutBytes;
    private final Counter damages;
    private final Counter compactedBytes;
    private final Counter reclaimedBytes;

    StoreMetrics(MeterRegistry registry) {
        appendedBytes = Counter.builder(MeterNames.STORE_APPENDED)
                .description("Bytes written to segment files")
                .baseUnit("bytes")
                .register(registry);
        force = Latencies.timer(MeterNames.STORE_FORCE, "Time of one force of a segment file to disk (fdatasync)")
                .register(registry);
        failures = Counter.builder(MeterNames.STORE_FAILURES)
                .description("Writes and forces that failed; each ends the use of a segment file")
                .register(registry);
        tailCutBytes = Counter.builder(MeterNames.STORE_TAIL_CUT)
                .description("Unfinished, never acknowledged ends that recovery cut off segment files")
                .baseUnit("bytes")
                .register(registry);
        compactedBytes = Counter.builder(MeterNames.STORE_COMPACTED)
                .description("Bytes of segment files written by compaction")
                .baseUnit("bytes")
                .register(registry);
        reclaimedBytes = Counter.builder(MeterNames.STORE_RECLAIMED)
                .description("Bytes by which compaction has made segment files smaller")
                .baseUnit("bytes")
                .register(registry);
        damages = Counter.builder(MeterNames.STORE_DAMAGES)
                .description("Headers, frames and rows that were acknowledged and could not be read")
                .register(registry);
    }

    @Override
    public void compacted(long bytesBefore, long bytesAfter) {
        compactedBytes.increment((double) bytesAfter);
        reclaimedBytes.increment((double) Math.max(0, bytesBefore - bytesAfter));
    }

    @Override
    public void damaged() {
        damages.increment();
    }

    @Override
    public void appended(int recordCount, int sampleCount, long bytes) {
        appendedBytes.increment((double) bytes);
    }

    @Override
    public void forced(long nanos) {
        force.record(Duration.ofNanos(nanos));
    }

    @Override
    public void failed() {
        failures.increment();
    }

    @Override
    public void tailCut(long bytes) {
        tailCutBytes.increment((double) bytes);
    }
}
