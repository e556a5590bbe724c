package io.datainf.engine.run;

import java.time.Instant;

/** One fine-tuning job whose gradients are held. Safe for any number of threads. */
public final class Run {

    Run() {}

    /** What the run is. */
    public RunDefinition definition() {
        throw new UnsupportedOperationException();
    }

    /** When it was created. */
    public Instant createTime() {
        throw new UnsupportedOperationException();
    }

    /** Steps so far: one for each sample stored, replaced or deleted, durable ones only. */
    public long revision() {
        throw new UnsupportedOperationException();
    }

    /** Samples held, n. */
    public long sampleCount() {
        throw new UnsupportedOperationException();
    }

    /** Returns the newest durable state. The caller closes it. */
    public RunSnapshot snapshot() {
        throw new UnsupportedOperationException();
    }

    /** Opens a writer. An open writer of the same id is superseded. */
    public RunWriter openWriter(String writerId) {
        throw new UnsupportedOperationException();
    }
}
