package io.datainf.sidecar.ingest;

import java.util.ArrayDeque;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Bounds the bytes of batches that all writers together have in memory between arrival and durability.
 *
 * <p>Bytes count from their arrival, because a server cannot know what a writer will send, and a reservation held by a
 * silent writer would stop the others. So the bound can be passed by one message a stream that was admitted while there was
 * room, and by the one batch that each stream may always have in progress (see {@link IngestSession}).
 *
 * <p>A budget can be part of another one; then its bytes count in both, and both must have room.
 *
 * <p>Streams that find no room wait in order of arrival. When bytes are released, as many are woken as are likely to fit.
 */
public final class InFlightBudget {

    private final @Nullable InFlightBudget whole;
    private final long maxBytes;
    private final Object lock = new Object();
    // Guarded by lock.
    private final Queue<Waiter> waiters = new ArrayDeque<>();
    private long usedBytes;

    /** Creates a budget of {@code maxBytes}, at least 1. */
    public InFlightBudget(long maxBytes) {
        this(null, maxBytes);
    }

    private InFlightBudget(@Nullable InFlightBudget whole, long maxBytes) {
        if (maxBytes < 1) {
            throw new IllegalArgumentException("maxBytes is %d: expected at least 1".formatted(maxBytes));
        }
        this.whole = whole;
        this.maxBytes = maxBytes;
    }

    /** Returns a budget that is part of this one. */
    public InFlightBudget part(long maxBytes) {
        return new InFlightBudget(this, maxBytes);
    }

    /** Bytes in memory now. */
    public long usedBytes() {
        synchronized (lock) {
            return usedBytes;
        }
    }

    /** Counts bytes that have arrived. */
    void add(long bytes) {
        synchronized (lock) {
            usedBytes += bytes;
        }
        if (whole != null) {
            whole.add(bytes);
        }
    }

    /** Gives bytes back and wakes streams that wait. */
    void release(long bytes) {
        Queue<Waiter> woken = new ArrayDeque<>();
        synchronized (lock) {
            usedBytes -= bytes;
            long roomBytes = maxBytes - usedBytes;
            while (roomBytes > 0 && !waiters.isEmpty()) {
                Waiter waiter = waiters.remove();
                roomBytes -= waiter.expectedBytes();
                woken.add(waiter);
            }
        }
        // Outside the lock: each takes the lock of its session.
        woken.forEach(waiter -> waiter.wake().run());
        if (whole != null) {
            whole.release(bytes);
        }
    }

    /**
     * Returns whether another message may be asked for. If not, {@code wake} runs once there is room, on the thread that
     * released bytes.
     *
     * @param expectedBytes likely size of the message
     * @param wake must not block
     */
    boolean admit(long expectedBytes, Runnable wake) {
        synchronized (lock) {
            if (!waiters.isEmpty() || usedBytes >= maxBytes) {
                waiters.add(new Waiter(expectedBytes, wake));
                return false;
            }
        }
        return whole == null || whole.admit(expectedBytes, wake);
    }

    /** Forgets a stream that waits. */
    void forget(Runnable wake) {
        synchronized (lock) {
            waiters.removeIf(waiter -> waiter.wake().equals(wake));
        }
        if (whole != null) {
            whole.forget(wake);
        }
    }

    private record Waiter(long expectedBytes, Runnable wake) {}
}
