package io.datainf.sidecar.query;

import java.util.function.BooleanSupplier;

/** Waiting that an interrupt does not end; nobody of ours interrupts, so it is kept for whoever did. */
final class Threads {

    private Threads() {}

    /** Waits on a lock, which the caller holds, until a condition holds that is notified on it. */
    static void waitUninterruptibly(Object lock, BooleanSupplier condition) {
        boolean interrupted = false;
        while (!condition.getAsBoolean()) {
            try {
                lock.wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        restore(interrupted);
    }

    /** Waits until a thread has ended. */
    static void joinUninterruptibly(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        restore(interrupted);
    }

    private static void restore(boolean interrupted) {
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
