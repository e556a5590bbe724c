package io.datainf.engine.run;

import io.datainf.engine.influence.SampleSet;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An immutable view of a run at one revision. Samples that arrive later do not show. Keeps the rows alive until closed.
 */
public final class RunSnapshot implements AutoCloseable {

    private final RunDefinition definition;
    private final RowTable rows;
    private final RowView view;
    private final RunState state;
    private final SampleSet samples;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Takes over one hold on the rows, and the view. */
    RunSnapshot(RunDefinition definition, RowTable rows, RowView view) {
        this.definition = definition;
        this.rows = rows;
        this.view = view;
        this.state = view.state();
        this.samples = new SampleSet(
                rows.gradients(),
                rows.squaredNorms(),
                state.rowCount(),
                state.deadRows(),
                state.statistics().get(),
                view);
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

    /** The training step of a row; 0 if it was sent without. */
    public long step(int ordinal) {
        return rows.step(Objects.checkIndex(ordinal, state.rowCount()));
    }

    /** CRC-32C of the bytes that {@link #readRow} gives. */
    public int checksum(int ordinal) {
        return rows.checksum(Objects.checkIndex(ordinal, state.rowCount()));
    }

    /** Returns the row of a sample, or -1 if the snapshot holds no live one. */
    public int ordinalOf(long sampleId) {
        int ordinal = rows.ordinalOf(sampleId, state.rowCount());
        return ordinal >= 0 && samples.live(ordinal) ? ordinal : -1;
    }

    /**
     * Copies the gradient of a live row, from memory or from the files: D elements in the stored encoding, without padding.
     *
     * @param target a row long and outside the heap
     * @throws UnreadableSamplesException if it cannot be read; the sample has left the run then
     */
    public void readRow(int ordinal, MemorySegment target) {
        view.readRow(Objects.checkIndex(ordinal, state.rowCount()), target);
    }

    /** How many of the samples are in memory. */
    public long residentCount() {
        return samples.sampleCount() - view.ordinals().cardinality();
    }

    /**
     * Returns the rows of these samples, in the order given.
     *
     * @throws UnknownSampleException if the snapshot holds no live sample of an id
     */
    public int[] ordinalsOf(long[] sampleIds) {
        int[] ordinals = new int[sampleIds.length];
        for (int i = 0; i < ordinals.length; i++) {
            int ordinal = ordinalOf(sampleIds[i]);
            if (ordinal < 0) {
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
            try {
                view.close();
            } finally {
                rows.release();
            }
        }
    }
}
