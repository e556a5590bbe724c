package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.SelfInfluenceRequest;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.run.RunSnapshot;
import java.util.Arrays;
import java.util.Optional;

/** Computes self-influences, or takes those that are kept. */
final class SelfInfluenceJob implements AnalysisExecutor.Work<SelfInfluenceAnswer> {

    private final SelfInfluencePlan plan;
    private final InfluenceCalculator calculator;
    private final SelfInfluences kept;
    private final EngineSpeed speed;

    SelfInfluenceJob(SelfInfluencePlan plan, InfluenceCalculator calculator, SelfInfluences kept, EngineSpeed speed) {
        this.plan = plan;
        this.calculator = calculator;
        this.kept = kept;
        this.speed = speed;
    }

    /** Whether nothing need be computed. */
    boolean isKept(RunSnapshot snapshot) {
        return kept.find(plan.run(), snapshot, plan.damping()).isPresent();
    }

    /** What is left to compute. */
    SelfInfluenceRequest request(RunSnapshot snapshot) {
        SampleSet samples = snapshot.samples();
        return plan.sampleIds().isPresent()
                ? new SelfInfluenceRequest(
                        samples,
                        plan.damping(),
                        snapshot.ordinalsOf(plan.sampleIds().get()))
                : SelfInfluenceRequest.all(samples, plan.damping());
    }

    @Override
    public SelfInfluenceAnswer run(RunSnapshot snapshot, WorkMonitor monitor, long queueNanos) {
        long startNanos = System.nanoTime();
        SelfInfluenceRequest request = request(snapshot);
        Optional<double[]> byRow = kept.find(plan.run(), snapshot, plan.damping());
        double[] values = byRow.isPresent()
                ? Arrays.stream(request.ordinals())
                        .mapToDouble(row -> byRow.get()[row])
                        .toArray()
                : compute(snapshot, request, monitor);
        long[] ids =
                Arrays.stream(request.ordinals()).mapToLong(snapshot::sampleId).toArray();
        long endNanos = System.nanoTime();
        SnapshotFacts facts = SnapshotFacts.of(snapshot, plan.damping(), calculator.engineName());
        return new SelfInfluenceAnswer(facts, ids, values, queueNanos, endNanos - startNanos, endNanos);
    }

    private double[] compute(RunSnapshot snapshot, SelfInfluenceRequest request, WorkMonitor monitor) {
        long startNanos = System.nanoTime();
        double[] values = calculator.selfInfluence(request, monitor);
        speed.measured(request.multiplications(), System.nanoTime() - startNanos);
        if (plan.sampleIds().isEmpty()) {
            double[] byRow = new double[snapshot.samples().rowCount()];
            for (int i = 0; i < values.length; i++) {
                byRow[request.ordinals()[i]] = values[i];
            }
            kept.keep(plan.run(), snapshot, plan.damping(), byRow);
        }
        return values;
    }
}
