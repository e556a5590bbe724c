package io.datainf.loadtests.soak;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** How long writers wait for an acknowledgement, from here on. */
final class PauseWatch implements AutoCloseable {

    private static final long STEP_MILLIS = 5;

    private final List<SoakWriter> writers;
    private final Thread thread = new Thread(this::watch, "pause-watch");
    private final long[] acked;
    private final long[] sinceNanos;
    private volatile double longestSeconds;
    private volatile boolean stopped;

    PauseWatch(List<SoakWriter> writers) {
        this.writers = writers;
        this.acked = new long[writers.size()];
        this.sinceNanos = new long[writers.size()];
        Arrays.fill(sinceNanos, System.nanoTime());
        thread.start();
    }

    /** Waits until each writer has had two more acknowledgements: the first may have been on its way. */
    void awaitProgress() throws InterruptedException, IOException {
        for (SoakWriter writer : writers) {
            for (int i = 0; i < 2; i++) {
                long before = writer.acked();
                while (writer.acked() == before) {
                    writer.requireRunning();
                    TimeUnit.MILLISECONDS.sleep(STEP_MILLIS);
                }
            }
        }
    }

    double longestSeconds() {
        return longestSeconds;
    }

    private void watch() {
        while (!stopped) {
            for (int i = 0; i < acked.length; i++) {
                long now = System.nanoTime();
                longestSeconds = Math.max(longestSeconds, (now - sinceNanos[i]) / 1e9);
                if (writers.get(i).acked() != acked[i]) {
                    acked[i] = writers.get(i).acked();
                    sinceNanos[i] = now;
                }
            }
            try {
                TimeUnit.MILLISECONDS.sleep(STEP_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    @Override
    public void close() {
        stopped = true;
        thread.interrupt();
    }
}
