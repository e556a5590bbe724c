package io.datainf.sidecar.metrics;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * What the server has done lately. Reads counters every 5 s and keeps what they were for 5 minutes: the one place where rates and
 * quantiles are made of them. Safe for any number of threads.
 */
public final class Activity implements AutoCloseable {

    private static final Duration STEP = Duration.ofSeconds(5);
    // Five minutes of steps, and the one that they begin at.
    private static final int MAX_KEPT = 61;
    // Rates of now are those since this many steps ago: one alone jumps.
    private static final int RATE_STEPS = 2;

    private final MeterRegistry registry;
    private final LongSupplier nanoTime;
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("datainf-activity").factory());

    // Guarded by this; the oldest first, never empty.
    private final Deque<Counters> past = new ArrayDeque<>();

    /** Begins. */
    Activity(MeterRegistry registry, LongSupplier nanoTime) {
        this.registry = registry;
        this.nanoTime = nanoTime;
        note();
    }

    /** Reads the counters every 5 s from now on. */
    Activity start() {
        Future<?> ignored =
                timer.scheduleAtFixedRate(this::note, STEP.toMillis(), STEP.toMillis(), TimeUnit.MILLISECONDS);
        return this;
    }

    /** Reads the counters. */
    synchronized void note() {
        past.addLast(read());
        if (past.size() > MAX_KEPT) {
            past.removeFirst();
        }
    }

    /** What happens now, and has happened in the last 5 minutes. */
    public synchronized ActivityFigures figures() {
        Counters now = read();
        List<Counters> all = List.copyOf(past);
        Counters before = all.get(Math.max(0, all.size() - RATE_STEPS));
        List<Double> history = new ArrayList<>();
        for (int i = 1; i < all.size(); i++) {
            history.add(all.get(i).samplesPerSecondSince(all.get(i - 1)));
        }
        return now.figuresSince(before, all.getFirst(), history);
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    private Counters read() {
        return Counters.read(registry, nanoTime.getAsLong());
    }
}
