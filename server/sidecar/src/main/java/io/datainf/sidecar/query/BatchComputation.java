package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.run.RunSnapshot;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/** Computes queries together, on one snapshot taken when their turn has come, and tells those who asked. Thread-safe. */
final class BatchComputation {

    private final InfluenceCalculator calculator;
    private final QueryMemory memory;
    private final SelfInfluences selfInfluences;
    private final EngineSpeed speed;
    private final QueryEvents events;

    BatchComputation(
            InfluenceCalculator calculator,
            QueryMemory memory,
            SelfInfluences selfInfluences,
            EngineSpeed speed,
            QueryEvents events) {
        this.calculator = calculator;
        this.memory = memory;
        this.selfInfluences = selfInfluences;
        this.speed = speed;
        this.events = events;
    }

    /**
     * Computes queries of one run that {@linkplain QueuedQuery#joins join} each other. What is wrong with one of them does not touch
     * the others, and the computation stops only when all are cancelled.
     *
     * @param stopping whether everything should end
     * @return queries that did not fit into memory beside the others, and should wait on
     */
    List<QueuedQuery> compute(List<QueuedQuery> queries, BooleanSupplier stopping) {
        List<QueuedQuery> wanted = new ArrayList<>();
        for (QueuedQuery query : queries) {
            if (query.cancelled()) {
                fail(query, stopped(stopping));
            } else {
                wanted.add(query);
            }
        }
        if (wanted.isEmpty()) {
            return List.of();
        }
        RunSnapshot snapshot;
        try {
            snapshot = wanted.getFirst().plan().run().snapshot();
        } catch (RuntimeException e) {
            wanted.forEach(query -> fail(query, e));
            return List.of();
        }
        try (QueryBatch batch = new QueryBatch(snapshot, memory)) {
            wanted.forEach(query -> prepare(query, batch));
            return batch.members().isEmpty() ? List.of() : compute(batch, stopping);
        }
    }

    /** Fails a query that was queued. */
    void fail(QueuedQuery query, Throwable cause) {
        query.plan().close();
        events.queryFailed(query.plan().method(), QueryFailure.of(cause));
        query.listener().failed(cause);
    }

    private void prepare(QueuedQuery query, QueryBatch batch) {
        try {
            batch.add(new BatchMember(query, batch.snapshot(), selfInfluences, memory));
        } catch (RuntimeException | OutOfMemoryError e) {
            fail(query, e);
        }
    }

    private List<QueuedQuery> compute(QueryBatch batch, BooleanSupplier stopping) {
        List<QueuedQuery> left = List.of();
        List<QueryAnswer> answers;
        try {
            left = batch.reserve();
            answers = score(batch, stopping);
        } catch (CancellationException e) {
            batch.members().forEach(member -> fail(member.query(), stopped(stopping)));
            return left;
        } catch (Throwable e) { // whatever it is, the next query must find this thread alive
            failOrSeparate(batch, e, stopping);
            return left;
        }
        // Whoever has an answer finds nothing else held for it.
        List<BatchMember> members = batch.members();
        members.forEach(member -> member.plan().close());
        batch.close();
        for (int i = 0; i < members.size(); i++) {
            members.get(i).query().listener().answered(answers.get(i));
        }
        return left;
    }

    /** If there are several, one may be at fault: each is computed alone, so that the others are answered. */
    private void failOrSeparate(QueryBatch batch, Throwable cause, BooleanSupplier stopping) {
        List<BatchMember> members = batch.members();
        batch.close();
        if (members.size() == 1) {
            fail(members.getFirst().query(), cause);
        } else {
            members.forEach(member -> compute(List.of(member.query()), stopping));
        }
    }

    private List<QueryAnswer> score(QueryBatch batch, BooleanSupplier stopping) {
        InfluenceRequest request = batch.request();
        BatchMonitor monitor = new BatchMonitor(batch.members(), stopping);
        long startNanos = System.nanoTime();
        List<InfluenceScores> scores;
        try {
            scores = calculator.compute(request, monitor);
        } catch (IllegalArgumentException | ArithmeticException e) {
            // All else was checked: a damping or a step so extreme that something leaves the range of float64.
            throw new InvalidQueryException(extremeField(request.method()), String.valueOf(e.getMessage()));
        }
        long computeNanos = System.nanoTime() - startNanos;
        measure(request, computeNanos, monitor.scannedBytes());
        return batch.answers(scores, calculator.engineName(), computeNanos, monitor.stages(), events);
    }

    private static String extremeField(InfluenceMethod method) {
        boolean lissa = method instanceof InfluenceMethod.Lissa || method instanceof InfluenceMethod.LissaReference;
        return lissa ? "spec.lissa" : "spec.dampings";
    }

    private void measure(InfluenceRequest request, long computeNanos, double scannedBytes) {
        SampleSet samples = request.samples();
        double elements = (double) samples.sampleCount() * samples.layout().dimension();
        int pointCount = request.validationCount();
        if (request.method() instanceof InfluenceMethod.DataInf) {
            speed.measured(elements * pointCount * request.dampings().size(), computeNanos);
        }
        events.batchComputed(calculator.engineName(), request.method(), pointCount, computeNanos, scannedBytes);
    }

    private static RuntimeException stopped(BooleanSupplier stopping) {
        return stopping.getAsBoolean()
                ? new QueryExecutorClosedException()
                : new CancellationException("the query was cancelled");
    }
}
