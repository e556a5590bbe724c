package io.datainf.engine.run;

import io.datainf.engine.store.LogVisitor;
import io.datainf.engine.store.RecoveredBatch;

/** Makes the state again that the log tells of. */
final class StateRecovery implements LogVisitor {

    private final RunStateBuilder builder;
    private final double[] q;

    StateRecovery(RowTable rows) {
        this.builder = new RunStateBuilder(rows);
        this.q = new double[rows.squaredNorms().blockCount()];
    }

    RunStateBuilder builder() {
        return builder;
    }

    @Override
    public void batch(RecoveredBatch batch) {
        for (int i = 0; i < batch.storedCount(); i++) {
            builder.skipTo(Math.toIntExact(batch.ordinal(i)), false);
            batch.squaredNorms(i, q);
            builder.append(batch.sampleId(i), q, batch.rowChecksum(i), batch.step(i), batch.revision(), false);
        }
    }

    @Override
    public void deletion(long revision, long[] sampleIds) {
        for (long sampleId : sampleIds) {
            builder.delete(sampleId, revision);
        }
    }

    @Override
    public void missing(long ordinalEnd, boolean damaged) {
        builder.skipTo(Math.toIntExact(ordinalEnd), damaged);
    }
}
