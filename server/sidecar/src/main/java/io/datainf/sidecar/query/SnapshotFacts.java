package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunSnapshot;

/**
 * What a job was computed from.
 *
 * @param definition the run
 * @param sampleCount samples, n
 * @param revision revision of the run
 * @param lambda lambda_l used, [L]; 0 for a skipped block
 * @param engineName what computed
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record SnapshotFacts(
        RunDefinition definition, long sampleCount, long revision, double[] lambda, String engineName) {

    static SnapshotFacts of(RunSnapshot snapshot, Damping damping, String engineName) {
        SampleSet samples = snapshot.samples();
        double[] lambda = damping.lambda(samples.layout(), samples.statistics());
        return new SnapshotFacts(snapshot.definition(), samples.sampleCount(), snapshot.revision(), lambda, engineName);
    }
}
