package io.datainf.sidecar.rpc;

import io.datainf.sidecar.query.QueryAnswer;
import io.datainf.sidecar.query.StageMark;
import io.datainf.sidecar.tracing.CallTrace;
import io.datainf.sidecar.tracing.Operation;
import io.datainf.sidecar.tracing.Operation.Stage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The span of one query, made once it has ended: the wait for its turn, the passes over the rows, and the sending of its answer. */
final class QueryTrace {

    private final CallContext call;
    private final CallTrace trace;
    private final long begunNanos = System.nanoTime();

    /** Begins with a query of the call. */
    QueryTrace(CallContext call) {
        this.call = call;
        this.trace = call.trace();
    }

    /** The last part of the answer was handed over. */
    void answered(QueryAnswer answer) {
        if (!trace.on()) {
            return;
        }
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("datainf.run", answer.definition().id().value());
        attributes.put("datainf.method", Methods.encode(answer.method()).name());
        attributes.put("datainf.engine", answer.engineName());
        attributes.put("datainf.samples", answer.sampleCount());
        attributes.put("datainf.revision", answer.revision());
        attributes.put("datainf.points", answer.queryCount());
        attributes.put("datainf.batch_queries", answer.batchQueryCount());
        trace.ended(operation(System.nanoTime(), attributes, stages(answer), Optional.empty()));
    }

    /** There is no answer. */
    void failed(Throwable cause) {
        if (!trace.on()) {
            return;
        }
        Map<String, Object> attributes = new HashMap<>();
        call.run().ifPresent(run -> attributes.put("datainf.run", run));
        String error = cause.getClass().getSimpleName();
        trace.ended(operation(System.nanoTime(), attributes, List.of(), Optional.of(error)));
    }

    private Operation operation(
            long endNanos, Map<String, Object> attributes, List<Stage> stages, Optional<String> error) {
        return new Operation("query", begunNanos, endNanos, attributes, stages, error);
    }

    private static List<Stage> stages(QueryAnswer answer) {
        List<Stage> stages = new ArrayList<>();
        stages.add(new Stage("queue", answer.startNanos() - answer.queueNanos(), answer.startNanos()));
        // The snapshot, its statistics, and what is stored of the validation points.
        String name = "prepare";
        long since = answer.startNanos();
        for (StageMark mark : answer.stages()) {
            stages.add(new Stage(name, since, mark.beginNanos()));
            name = mark.stage().name().toLowerCase(Locale.ROOT);
            since = mark.beginNanos();
        }
        stages.add(new Stage(name, since, answer.computedAtNanos()));
        stages.add(new Stage("respond", answer.computedAtNanos(), System.nanoTime()));
        return stages;
    }
}
