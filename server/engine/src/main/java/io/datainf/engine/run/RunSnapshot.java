package io.datainf.engine.run;

import io.datainf.engine.influence.SampleSet;

/**
 * An immutable view of a run at one revision. Samples that arrive later do not show. Keeps the rows alive until closed.
 */
public final class RunSnapshot implements AutoCloseable {

    RunSnapshot() {}

    /** What the run is. */
    public RunDefinition definition() {
        throw new UnsupportedOperationException();
    }

    /** The revision that the snapshot shows. */
    public long revision() {
        throw new UnsupportedOperationException();
    }

    /** The samples. */
    public SampleSet samples() {
        throw new UnsupportedOperationException();
    }

    /** The trainer's id of a row. */
    public long sampleId(int ordinal) {
        throw new UnsupportedOperationException();
    }

    /**
     * Returns the rows of these samples, in the order given.
     *
     * @throws UnknownSampleException if the snapshot holds no live sample of an id
     */
    public int[] ordinalsOf(long[] sampleIds) {
        throw new UnsupportedOperationException();
    }

    /** Lets the rows go. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
