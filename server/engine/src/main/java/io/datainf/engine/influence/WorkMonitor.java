package io.datainf.engine.influence;

import java.util.function.BooleanSupplier;

/**
 * What a long computation asks and tells the one who waits for it. Its methods are called by several threads, must return at once and
 * must not throw.
 */
public interface WorkMonitor {

    /** Whether the work should stop. Asked between row tiles. */
    boolean cancelled();

    /**
     * Takes note of how far the work is. Called rarely: at most some hundred times a computation.
     *
     * @param fraction of the work, 0 to 1; never less than the time before
     */
    void progress(double fraction);

    /**
     * Takes note that stored gradients were read from memory. Called once a reading, or a piece of it.
     *
     * @param bytes their size
     */
    default void scanned(double bytes) {
        // of interest to few
    }

    /**
     * Takes note that the next passes begin. Called on the thread that computes; the same stage comes again where there are more columns than
     * share a reading, or where something is computed again.
     */
    default void begins(Stage stage) {
        // of interest to few
    }

    /** What a computation does one after the other. */
    enum Stage {
        /** Finds h: reads the rows once for DATAINF, more often for LISSA and EXACT. */
        INVERSE_HVP,
        /** Reads the rows for the scores. */
        SCORES
    }

    /** Returns a monitor that only asks. */
    static WorkMonitor of(BooleanSupplier cancelled) {
        return new WorkMonitor() {
            @Override
            public boolean cancelled() {
                return cancelled.getAsBoolean();
            }

            @Override
            public void progress(double fraction) {
                // nobody wants to know
            }
        };
    }
}
