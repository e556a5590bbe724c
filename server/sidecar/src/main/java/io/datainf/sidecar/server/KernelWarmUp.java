package io.datainf.sidecar.server;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.WorkMonitor;
import java.util.concurrent.CancellationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Has the kernels compiled while the server serves already: trainers need not wait for it, and queries are only slower until then. */
final class KernelWarmUp implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(KernelWarmUp.class);

    private final InfluenceCalculator calculator;
    private final Thread thread =
            Thread.ofPlatform().daemon().name("datainf-warm-up").unstarted(this::run);
    private volatile boolean closed;
    private volatile boolean done;

    private KernelWarmUp(InfluenceCalculator calculator) {
        this.calculator = calculator;
    }

    /** Begins, and returns at once. To be closed before the calculator. */
    static KernelWarmUp start(InfluenceCalculator calculator) {
        KernelWarmUp warmUp = new KernelWarmUp(calculator);
        warmUp.thread.start();
        return warmUp;
    }

    /** Whether it is done. */
    boolean isDone() {
        return done;
    }

    private void run() {
        long start = System.nanoTime();
        try {
            calculator.warmUp(WorkMonitor.of(() -> closed));
            done = true;
            LOG.info("kernels are warm, after {} ms", (System.nanoTime() - start) / 1_000_000);
        } catch (CancellationException e) {
            LOG.debug("the server stops before its kernels are warm");
        } catch (RuntimeException | Error e) {
            LOG.error("warming up the kernels failed; queries will likely fail, too", e);
        }
    }

    /** Ends the warming up if it is under way. */
    @Override
    public void close() {
        closed = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
