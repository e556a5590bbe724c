package io.datainf.sidecar.rpc;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Knows the calls in progress, so that a stopping server can tell them and wait for them. Thread-safe. */
final class DrainGate {

    // Guarded by this.
    private final Map<Object, Runnable> calls = new HashMap<>();
    private boolean draining;

    /**
     * Lets a call in.
     *
     * @param onDrain tells it that the server is stopping; runs once at most, on the thread that stops it
     * @throws ServerStoppingException if the server is stopping
     */
    synchronized void enter(Object call, Runnable onDrain) {
        if (draining) {
            throw new ServerStoppingException();
        }
        calls.put(call, onDrain);
    }

    /** The call is over. May be repeated. */
    synchronized void leave(Object call) {
        calls.remove(call);
        notifyAll();
    }

    synchronized boolean draining() {
        return draining;
    }

    /** Lets no call in any more and tells those in progress. */
    void beginDrain() {
        List<Runnable> told;
        synchronized (this) {
            if (draining) {
                return;
            }
            draining = true;
            told = new ArrayList<>(calls.values());
        }
        told.forEach(Runnable::run);
    }

    /** Waits until no call is in progress. Returns whether that came true in time. */
    synchronized boolean awaitEmpty(Duration timeout) throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!calls.isEmpty()) {
            long leftMillis = (deadline - System.nanoTime() + 999_999) / 1_000_000;
            if (leftMillis <= 0) {
                return false;
            }
            wait(leftMillis);
        }
        return true;
    }
}
