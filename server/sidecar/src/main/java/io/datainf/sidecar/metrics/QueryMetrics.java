package io.datainf.sidecar.metrics;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.sidecar.query.QueryEvents;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;

/** Counts and times queries. */
final class QueryMetrics implements QueryEvents {

    private final MeterRegistry registry;
    private final Counter refused;

    QueryMetrics(MeterRegistry registry) {
        this.registry = registry;
        this.refused = queries("refused", "any");
        // All series exist from the start: a rate over a series that appears late loses its first step.
        for (InfluenceMethod method :
                new InfluenceMethod[] {new InfluenceMethod.DataInf(), new InfluenceMethod.HessianFree()}) {
            queries("answered", tagOf(method));
            queries("failed", tagOf(method));
            stage(method, "queue");
            stage(method, "compute");
            stage(method, "respond");
        }
    }

    @Override
    public void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos) {
        queries("answered", tagOf(method)).increment();
        stage(method, "queue").record(Duration.ofNanos(queueNanos));
        stage(method, "compute").record(Duration.ofNanos(computeNanos));
        stage(method, "respond").record(Duration.ofNanos(respondNanos));
    }

    @Override
    public void queryFailed(InfluenceMethod method) {
        queries("failed", tagOf(method)).increment();
    }

    @Override
    public void queryRefused() {
        refused.increment();
    }

    private Counter queries(String outcome, String method) {
        return Counter.builder(MeterNames.QUERIES)
                .description("Queries by what became of them; refused: the queue was full")
                .tag(MeterNames.TAG_OUTCOME, outcome)
                .tag(MeterNames.TAG_METHOD, method)
                .register(registry);
    }

    private Timer stage(InfluenceMethod method, String stage) {
        return Latencies.timer(MeterNames.QUERY_STAGE, "Time of answered queries, by stage")
                .tag(MeterNames.TAG_METHOD, tagOf(method))
                .tag(MeterNames.TAG_STAGE, stage)
                .register(registry);
    }

    private static String tagOf(InfluenceMethod method) {
        return switch (method) {
            case InfluenceMethod.DataInf() -> "datainf";
            case InfluenceMethod.HessianFree() -> "hessian_free";
        };
    }
}
