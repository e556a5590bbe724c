package io.datainf.engine.run;

import io.datainf.engine.influence.SampleSet;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An immutable view of a run at one revision. Samples that arrive later do not show. Keeps the rows alive until closed.
 */
public final class RunSnapshot implements AutoCloseable {

    private final RunDefinition definition;
    private final RowTable rows;
    private final RunState state;
    private final SnapshotLedger ledger;
    private final SampleSet samples;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Takes over one hold on the rows, and one entry in the ledger. */
    RunSnapshot(RunDefinition definition, RowTable rows, RunState state, SnapshotLedger ledger) {
        this.ledger = ledger;
        this.definition = definition;
        this.rows = rows;
        this.state = state;
        this.samples = new SampleSet(
                rows.gradients(),
                rows.squaredNorms(),
                state.rowCount(),
                state.deadRows(),
                state.statistics().get());
    }

    /** What the run is. */
    public RunDefinition definition() {
        return definition;
    }

    /** The revision that the snapshot shows. */
    public long revision() {
        return state.revision();
    }

    /** The samples. */
    public SampleSet samples() {
        return samples;
    }

    /** The trainer's id of a row. */
    public long sampleId(int ordinal) {
        return rows.sampleId(Objects.checkIndex(ordinal, state.rowCount()));
    }

    /**
     * Returns the rows of these samples, in the order given.
     *
     * @throws UnknownSampleException if the snapshot holds no live sample of an id
     */
    public int[] ordinalsOf(long[] sampleIds) {
        int[] ordinals = new int[sampleIds.length];
        for (int i = 0; i < ordinals.length; i++) {
            int ordinal = rows.ordinalOf(sampleIds[i], state.rowCount());
            if (ordinal < 0 || !samples.live(ordinal)) {
                throw new UnknownSampleException(definition.id(), sampleIds[i]);
            }
            ordinals[i] = ordinal;
        }
        return ordinals;
    }

    /** Lets the rows go. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            ledger.close(state.revision());
            rows.release();
        }
    }
}
