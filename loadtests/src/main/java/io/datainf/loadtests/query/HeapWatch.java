package io.datainf.loadtests.query;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Looks at the server's Java heap again and again. */
final class HeapWatch implements AutoCloseable {

    private static final int PERIOD_MILLIS = 50;

    private final ServerProcess server;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final Future<Double> peakBytes;

    /** Begins to look. */
    HeapWatch(ServerProcess server) {
        this.server = server;
        this.peakBytes = thread.submit(this::look);
    }

    /** Ends looking and returns the most bytes that were in use at once. */
    double stop() throws InterruptedException, ExecutionException {
        stopped.countDown();
        return peakBytes.get();
    }

    @Override
    public void close() {
        stopped.countDown();
        thread.shutdown();
    }

    private double look() throws IOException, InterruptedException {
        double most = 0;
        do {
            most = Math.max(most, server.heapBytes());
        } while (!stopped.await(PERIOD_MILLIS, TimeUnit.MILLISECONDS));
        return most;
    }
}
