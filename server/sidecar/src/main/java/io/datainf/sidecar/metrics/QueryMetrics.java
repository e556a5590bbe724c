package io.datainf.sidecar.metrics;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.sidecar.query.QueryEvents;
import io.datainf.sidecar.query.QueryFailure;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** Counts and times queries. */
final class QueryMetrics implements QueryEvents {

    /** Values of the tag stage. */
    static final List<String> STAGES = List.of("queue", "compute", "respond");

    /** Values of the tag method. */
    static final List<String> METHODS = List.of("datainf", "hessian_free", "lissa", "lissa_reference", "exact");

    private static final double[] WIDTH_BUCKETS = {1, 2, 4, 8, 16, 32};

    private final MeterRegistry registry;
    private final Counter refused;

    QueryMetrics(MeterRegistry registry) {
        this.registry = registry;
        this.refused = queries("refused", "any");
        // All series exist from the start: a rate over a series that appears late loses its first step.
        for (String method : METHODS) {
            queries("answered", method);
            for (QueryFailure failure : QueryFailure.values()) {
                queries(tagOf(failure), method);
            }
            duration(method);
            STAGES.forEach(stage -> stage(method, stage));
        }
    }

    /** Says what will compute. */
    void expectEngine(String engine) {
        for (String method : METHODS) {
            batchWidth(engine, method);
            batchCompute(engine, method);
            scanned(engine, method);
        }
    }

    @Override
    public void batchComputed(
            String engineName, InfluenceMethod method, int pointCount, long computeNanos, double scannedBytes) {
        batchWidth(engineName, tagOf(method)).record(pointCount);
        batchCompute(engineName, tagOf(method)).record(Duration.ofNanos(computeNanos));
        scanned(engineName, tagOf(method)).increment(scannedBytes);
    }

    @Override
    public void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos) {
        queries("answered", tagOf(method)).increment();
        duration(tagOf(method)).record(Duration.ofNanos(queueNanos + computeNanos));
        stage(tagOf(method), "queue").record(Duration.ofNanos(queueNanos));
        stage(tagOf(method), "compute").record(Duration.ofNanos(computeNanos));
        stage(tagOf(method), "respond").record(Duration.ofNanos(respondNanos));
    }

    @Override
    public void queryFailed(InfluenceMethod method, QueryFailure failure) {
        queries(tagOf(failure), tagOf(method)).increment();
    }

    @Override
    public void queryRefused() {
        refused.increment();
    }

    private Counter queries(String outcome, String method) {
        return Counter.builder(MeterNames.QUERIES)
                .description(
                        "Queries by what became of them; cancelled and invalid: by the client; refused: the queue was full")
                .tag(MeterNames.TAG_OUTCOME, outcome)
                .tag(MeterNames.TAG_METHOD, method)
                .register(registry);
    }

    private DistributionSummary batchWidth(String engine, String method) {
        return DistributionSummary.builder(MeterNames.QUERY_BATCH_WIDTH)
                .description("Validation points that shared the readings of the gradients")
                .tag(MeterNames.TAG_ENGINE, engine)
                .tag(MeterNames.TAG_METHOD, method)
                .serviceLevelObjectives(WIDTH_BUCKETS)
                .register(registry);
    }

    private Timer batchCompute(String engine, String method) {
        return Latencies.timer(MeterNames.QUERY_BATCH_COMPUTE, "Time of batches in the kernels")
                .tag(MeterNames.TAG_ENGINE, engine)
                .tag(MeterNames.TAG_METHOD, method)
                .register(registry);
    }

    private Counter scanned(String engine, String method) {
        return Counter.builder(MeterNames.QUERY_SCANNED)
                .description("Bytes of stored gradients that batches have read; EXACT is not counted")
                .baseUnit("bytes")
                .tag(MeterNames.TAG_ENGINE, engine)
                .tag(MeterNames.TAG_METHOD, method)
                .register(registry);
    }

    private Timer duration(String method) {
        return Latencies.timer(
                        MeterNames.QUERY_DURATION, "Time of answered queries, from their last byte to their scores")
                .tag(MeterNames.TAG_METHOD, method)
                .register(registry);
    }

    private Timer stage(String method, String stage) {
        return Latencies.timer(MeterNames.QUERY_STAGE, "Time of answered queries, by stage")
                .tag(MeterNames.TAG_METHOD, method)
                .tag(MeterNames.TAG_STAGE, stage)
                .register(registry);
    }

    private static String tagOf(QueryFailure failure) {
        return failure.name().toLowerCase(Locale.ROOT);
    }

    private static String tagOf(InfluenceMethod method) {
        return switch (method) {
            case InfluenceMethod.DataInf() -> "datainf";
            case InfluenceMethod.HessianFree() -> "hessian_free";
            case InfluenceMethod.Lissa lissa -> "lissa";
            case InfluenceMethod.LissaReference lissa -> "lissa_reference";
            case InfluenceMethod.Exact exact -> "exact";
        };
    }
}
