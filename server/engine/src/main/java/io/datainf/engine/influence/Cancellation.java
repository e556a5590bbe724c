package io.datainf.engine.influence;

import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/** Whether a computation should go on. Asked between row tiles, by any thread. */
final class Cancellation {

    private final BooleanSupplier cancelled;
    private volatile boolean stopped;

    Cancellation(BooleanSupplier cancelled) {
        this.cancelled = cancelled;
    }

    /** Stops all threads of the computation at their next check. */
    void stop() {
        stopped = true;
    }

    /** Throws {@link CancellationException} if the computation should not go on. */
    void check() {
        if (stopped || cancelled.getAsBoolean()) {
            throw new CancellationException("the computation was cancelled");
        }
    }
}
