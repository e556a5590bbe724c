package io.datainf.sidecar.metrics;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What the counters were at one moment.
 *
 * @param nanos the moment, by {@link System#nanoTime}
 * @param writers streams of writers that are open
 * @param samples samples that were stored, those in place of others included
 * @param receivedBytes gradients of batches that arrived
 * @param ack times from the arrival of a batch to its ack
 * @param methods queries by method
 */
record Counters(
        long nanos,
        ActivityFigures.Writers writers,
        double samples,
        double receivedBytes,
        LatencyCounts ack,
        Map<String, OfMethod> methods) {

    private static final double NANOS_PER_SECOND = 1e9;

    /** Queries of one method. */
    private record OfMethod(double answered, double failed, Map<String, LatencyCounts> stages) {

        ActivityFigures.Method since(OfMethod before, String method) {
            Map<String, ActivityFigures.Latency> latencies = new LinkedHashMap<>();
            stages.forEach((stage, counts) -> latencies.put(
                    stage,
                    counts.since(Objects.requireNonNull(before.stages.get(stage)))
                            .latency()));
            return new ActivityFigures.Method(
                    method, Math.round(answered - before.answered), Math.round(failed - before.failed), latencies);
        }
    }

    static Counters read(MeterRegistry registry, long nanos) {
        Map<String, OfMethod> methods = new LinkedHashMap<>();
        for (String method : QueryMetrics.METHODS) {
            Map<String, LatencyCounts> stages = new LinkedHashMap<>();
            for (String stage : QueryMetrics.STAGES) {
                Timer timer = registry.get(MeterNames.QUERY_STAGE)
                        .tags(MeterNames.TAG_METHOD, method, MeterNames.TAG_STAGE, stage)
                        .timer();
                stages.put(stage, LatencyCounts.of(timer));
            }
            methods.put(
                    method,
                    new OfMethod(queries(registry, method, "answered"), queries(registry, method, "failed"), stages));
        }
        ActivityFigures.Writers writers = new ActivityFigures.Writers(
                gauge(registry, MeterNames.INGEST_STREAMS),
                gauge(registry, MeterNames.INGEST_STREAMS_HELD),
                gauge(registry, MeterNames.INGEST_PENDING_BATCHES));
        return new Counters(
                nanos,
                writers,
                samples(registry, "stored") + samples(registry, "replaced"),
                registry.get(MeterNames.INGEST_RECEIVED).counter().count(),
                LatencyCounts.of(registry.get(MeterNames.INGEST_ACK).timer()),
                methods);
    }

    double samplesPerSecondSince(Counters before) {
        return perSecond(samples - before.samples, before);
    }

    /**
     * Compares with the past.
     *
     * @param before what rates are taken since
     * @param first what queries and latencies are counted since
     * @param history samples a second in the past
     */
    ActivityFigures figuresSince(Counters before, Counters first, List<Double> history) {
        List<ActivityFigures.Method> counted = new ArrayList<>();
        methods.forEach(
                (method, now) -> counted.add(now.since(Objects.requireNonNull(first.methods.get(method)), method)));
        return new ActivityFigures(
                (nanos - first.nanos) / NANOS_PER_SECOND,
                writers,
                samplesPerSecondSince(before),
                perSecond(receivedBytes - before.receivedBytes, before),
                history,
                ack.since(first.ack).latency(),
                counted);
    }

    private double perSecond(double difference, Counters before) {
        double seconds = (nanos - before.nanos) / NANOS_PER_SECOND;
        return seconds > 0 ? difference / seconds : 0;
    }

    private static double queries(MeterRegistry registry, String method, String outcome) {
        return registry.get(MeterNames.QUERIES)
                .tags(MeterNames.TAG_METHOD, method, MeterNames.TAG_OUTCOME, outcome)
                .counter()
                .count();
    }

    private static double samples(MeterRegistry registry, String outcome) {
        return registry.get(MeterNames.INGEST_SAMPLES)
                .tag(MeterNames.TAG_OUTCOME, outcome)
                .counter()
                .count();
    }

    private static long gauge(MeterRegistry registry, String name) {
        return Math.round(registry.get(name).gauge().value());
    }
}
