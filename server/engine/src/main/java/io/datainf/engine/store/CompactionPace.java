package io.datainf.engine.store;

import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Keeps compaction from taking the disk away from everyone else. One thread. */
public final class CompactionPace {

    private static final double NANOS_PER_SECOND = 1e9;

    private static final long CHECK_NANOS = 50_000_000;

    private final long bytesPerSecond;
    private final BooleanSupplier cancelled;
    // When the bytes taken so far are paid for.
    private long paidNanos;
    private boolean started;

    /**
     * Allows so many bytes a second; {@link Long#MAX_VALUE} means any number.
     *
     * @param cancelled whether to stop
     */
    public CompactionPace(long bytesPerSecond, BooleanSupplier cancelled) {
        if (bytesPerSecond < 1) {
            throw new IllegalArgumentException("bytesPerSecond is %d: expected at least 1".formatted(bytesPerSecond));
        }
        this.bytesPerSecond = bytesPerSecond;
        this.cancelled = cancelled;
    }

    /**
     * Waits until so many bytes may be written.
     *
     * @throws CancellationException if compaction is to stop
     */
    void take(long bytes) {
        long now = System.nanoTime();
        if (!started || paidNanos - now < 0) {
            started = true;
            paidNanos = now;
        }
        requireWanted();
        while (paidNanos - System.nanoTime() > 0) {
            LockSupport.parkNanos(Math.min(paidNanos - System.nanoTime(), CHECK_NANOS));
            requireWanted();
        }
        paidNanos += (long) (bytes * NANOS_PER_SECOND / bytesPerSecond);
    }

    private void requireWanted() {
        if (cancelled.getAsBoolean()) {
            throw new CancellationException("compaction was stopped");
        }
    }
}
