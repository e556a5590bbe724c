package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.run.RunSnapshot;
import java.util.List;

/** Compares methods on the points of a plan, which it closes. */
final class ComparisonJob implements AnalysisExecutor.Work<ComparisonAnswer> {

    private final ComparisonPlan plan;
    private final InfluenceCalculator calculator;
    private final QueryMemory memory;

    ComparisonJob(ComparisonPlan plan, InfluenceCalculator calculator, QueryMemory memory) {
        this.plan = plan;
        this.calculator = calculator;
        this.memory = memory;
    }

    @Override
    public ComparisonAnswer run(RunSnapshot snapshot, WorkMonitor monitor, long queueNanos) {
        long scoreBytes = (long) (1 + plan.methods().size())
                * plan.source().count()
                * snapshot.samples().rowCount()
                * Double.BYTES;
        memory.reserve(scoreBytes);
        try {
            return switch (plan.source()) {
                case ValidationGradients gradients -> compare(snapshot, gradients, monitor);
                case StoredSamples stored -> {
                    try (ValidationGradients gradients = stored.load(snapshot, memory)) {
                        yield compare(snapshot, gradients, monitor);
                    }
                }
            };
        } finally {
            memory.release(scoreBytes);
        }
    }

    @Override
    public void close() {
        plan.close();
    }

    private ComparisonAnswer compare(RunSnapshot snapshot, ValidationGradients points, WorkMonitor monitor) {
        InfluenceRequest request = new InfluenceRequest(
                snapshot.samples(),
                points.count(),
                points.elements(),
                plan.exact(),
                List.of(plan.damping()),
                false,
                false);
        return new ComparisonAnswer(
                SnapshotFacts.of(snapshot, plan.damping(), calculator.engineName()),
                calculator.compareMethods(request, plan.methods(), monitor));
    }
}
