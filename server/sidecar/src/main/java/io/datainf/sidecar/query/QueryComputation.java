package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.run.RunSnapshot;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/** Computes one query on a snapshot taken when its turn has come. Owns nothing: whatever fails, what it took is given back. */
final class QueryComputation {

    private final InfluenceCalculator calculator;
    private final QueryMemory memory;
    private final QueryEvents events;

    QueryComputation(InfluenceCalculator calculator, QueryMemory memory, QueryEvents events) {
        this.calculator = calculator;
        this.memory = memory;
        this.events = events;
    }

    /**
     * Returns the answer, which the caller closes. The plan stays the caller's.
     *
     * @param queuedNanos how long the query has waited
     * @throws CancellationException if cancelled
     * @throws EmptyRunException if the run holds no samples
     * @throws RevisionNotReachedException if it is not yet at the revision asked for
     * @throws QueryMemoryException if the scores do not fit
     */
    QueryAnswer compute(QueryPlan plan, long queuedNanos, BooleanSupplier cancelled) {
        RunSnapshot snapshot;
        try {
            if (cancelled.getAsBoolean()) {
                throw new CancellationException("the query was cancelled");
            }
            snapshot = plan.run().snapshot();
        } catch (RuntimeException e) {
            events.queryFailed(plan.method());
            throw e;
        }
        QueryAnswer answer = new QueryAnswer(plan, snapshot, calculator.engineName(), memory, events);
        try {
            requireAnswerable(plan, snapshot);
            if (plan.selection() instanceof SampleSelection.Given given) {
                answer.selectGiven(snapshot.ordinalsOf(given.sampleIds()));
            }
            fill(answer, plan, queuedNanos, cancelled);
            return answer;
        } catch (RuntimeException | Error e) {
            answer.close();
            throw e;
        }
    }

    private static void requireAnswerable(QueryPlan plan, RunSnapshot snapshot) {
        long minRevision = plan.options().minRevision();
        if (snapshot.revision() < minRevision) {
            throw new RevisionNotReachedException(snapshot.definition().id(), minRevision, snapshot.revision());
        }
        if (snapshot.samples().sampleCount() == 0) {
            throw new EmptyRunException(snapshot.definition().id());
        }
    }

    private void fill(QueryAnswer answer, QueryPlan plan, long queuedNanos, BooleanSupplier cancelled) {
        switch (plan.source()) {
            case ValidationGradients gradients -> fill(answer, plan, gradients, queuedNanos, cancelled);
            case StoredSamples stored -> {
                try (ValidationGradients gradients = load(stored, answer.snapshot())) {
                    fill(answer, plan, gradients, queuedNanos, cancelled);
                }
            }
        }
    }

    private void fill(
            QueryAnswer answer,
            QueryPlan plan,
            ValidationGradients points,
            long queuedNanos,
            BooleanSupplier cancelled) {
        if (plan.mean() && points.count() > 1) {
            try (ValidationGradients mean = points.mean()) {
                score(answer, plan, mean, queuedNanos, cancelled);
            }
        } else {
            score(answer, plan, points, queuedNanos, cancelled);
        }
    }

    private void score(
            QueryAnswer answer,
            QueryPlan plan,
            ValidationGradients points,
            long queuedNanos,
            BooleanSupplier cancelled) {
        answer.reserveScores();
        long startNanos = System.nanoTime();
        for (Damping damping : plan.dampings()) {
            InfluenceRequest request = new InfluenceRequest(
                    answer.samples(),
                    points.count(),
                    points.elements(),
                    plan.method(),
                    damping,
                    plan.options().perBlock(),
                    plan.options().reproducible());
            try {
                answer.add(calculator.compute(request, cancelled));
            } catch (IllegalArgumentException | ArithmeticException e) {
                // All else was checked: a damping so extreme that it or the scores leave the range of float64.
                throw new InvalidQueryException("spec.dampings", String.valueOf(e.getMessage()));
            }
        }
        answer.computed(queuedNanos, System.nanoTime() - startNanos);
    }

    private ValidationGradients load(StoredSamples stored, RunSnapshot snapshot) {
        int[] ordinals = snapshot.ordinalsOf(stored.sampleIds());
        GradientMatrix rows = snapshot.samples().gradients();
        ValidationGradients gradients =
                ValidationGradients.allocate(rows.layout(), ordinals.length, ElementType.F32, memory);
        for (int ordinal : ordinals) {
            gradients.appendRow(rows.row(ordinal), rows.elementType());
        }
        return gradients;
    }
}
