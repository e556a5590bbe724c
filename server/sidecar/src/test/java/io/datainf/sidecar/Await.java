package io.datainf.sidecar;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waits for conditions that another thread brings about. */
public final class Await {

    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final long LOOK_AGAIN_NANOS = 1_000_000;

    private Await() {}

    /** Waits until {@code condition} holds; fails if that takes unreasonably long. */
    public static void until(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("still waiting after %s for: %s".formatted(PATIENCE, what));
            }
            LockSupport.parkNanos(LOOK_AGAIN_NANOS);
        }
    }
}
