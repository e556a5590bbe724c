package io.datainf.engine.influence;

import java.util.concurrent.CancellationException;

/** One computation under way: whether it should go on, and how far it is. Asked and told by any thread. */
final class Work {

    private static final double LEAST_STEP = 0.01;
    private static final double MOST_BEFORE_THE_END = 0.99;

    private final WorkMonitor monitor;
    private volatile boolean stopped;
    // Guarded by this.
    private double expected;
    private double done;
    private double reported;

    Work(WorkMonitor monitor) {
        this.monitor = monitor;
    }

    /** Stops all threads of the computation at their next check. */
    void stop() {
        stopped = true;
    }

    /** Throws {@link CancellationException} if the computation should not go on. */
    void check() {
        if (stopped || monitor.cancelled()) {
            throw new CancellationException("the computation was cancelled");
        }
    }

    /** Says that there is more to do, in multiplications. What turns up late slows the progress down, but does not turn it back. */
    synchronized void expect(double multiplications) {
        expected += multiplications;
    }

    /** Says that something was done, in multiplications. */
    synchronized void done(double multiplications) {
        done += multiplications;
        if (expected > 0) {
            report(Math.min(done / expected, MOST_BEFORE_THE_END));
        }
    }

    /** Says what comes now. */
    void begins(WorkMonitor.Stage stage) {
        monitor.begins(stage);
    }

    /** Says that elements of rows were read. */
    void scanned(SampleSet samples, double elementsPerRow, double rows) {
        monitor.scanned(
                elementsPerRow * rows * samples.gradients().elementType().byteCount());
    }

    /** Says that all is done. */
    synchronized void finish() {
        report(1);
    }

    // The monitor is told with the lock held, or fractions could overtake each other; it must return at once.
    private void report(double fraction) {
        if (fraction >= reported + LEAST_STEP) {
            reported = fraction;
            monitor.progress(fraction);
        }
    }
}
