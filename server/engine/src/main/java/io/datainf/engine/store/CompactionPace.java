package io.datainf.engine.store;

import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;

/** Keeps compaction from taking the disk away from everyone else. One thread. */
public final class CompactionPace {

    private static final double NANOS_PER_SECOND = 1e9;

    private final long bytesPerSecond;
    // When the bytes taken so far are paid for.
    private long paidNanos;
    private boolean started;

    /** Allows so many bytes a second; {@link Long#MAX_VALUE} means any number. */
    public CompactionPace(long bytesPerSecond) {
        if (bytesPerSecond < 1) {
            throw new IllegalArgumentException("bytesPerSecond is %d: expected at least 1".formatted(bytesPerSecond));
        }
        this.bytesPerSecond = bytesPerSecond;
    }

    /**
     * Waits until so many bytes may be written.
     *
     * @throws CancellationException if the thread is interrupted
     */
    void take(long bytes) {
        long now = System.nanoTime();
        if (!started || paidNanos - now < 0) {
            started = true;
            paidNanos = now;
        }
        while (paidNanos - System.nanoTime() > 0) {
            LockSupport.parkNanos(paidNanos - System.nanoTime());
            if (Thread.currentThread().isInterrupted()) {
                throw new CancellationException("compaction was interrupted");
            }
        }
        paidNanos += (long) (bytes * NANOS_PER_SECOND / bytesPerSecond);
    }
}
