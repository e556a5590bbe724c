package io.datainf.client;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/*
 * Decides whether and when a writer tries again. A new stream can mend
 *
 *   UNAVAILABLE         the server is stopping, cannot be reached, or failed to write
 *   CANCELLED           the stream was reset by somebody else: a writer that cancels has ended
 *   DATA_LOSS           a batch was damaged on the way
 *   RESOURCE_EXHAUSTED  with RetryInfo: memory or disk is full
 *
 * and nothing else. The mean pause doubles from 0.1 s to 5 s, times a random factor of 0.5 to 1.5; the server's RetryInfo wins.
 * Progress begins anew; without any for as long as the deadline, or if the next pause would end after it, the last error is final.
 */
final class Backoff {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LAST_PAUSE = Duration.ofSeconds(5);
    private static final int MAX_DOUBLINGS = 10;

    private final long deadlineNanos;
    private final LongSupplier nanoClock;
    private int attempts;
    private boolean failing;
    private long failingSinceNanos;

    Backoff(Duration deadline, LongSupplier nanoClock) {
        this.deadlineNanos = TimeUnit.NANOSECONDS.convert(deadline);
        this.nanoClock = nanoClock;
    }

    /** Ends an outage: the next one starts with short pauses and the whole deadline. */
    void progress() {
        attempts = 0;
        failing = false;
    }

    /** How long to wait after this failure; empty to give up. */
    Optional<Duration> pauseAfter(DataInfException failure) {
        if (!isMendable(failure)) {
            return Optional.empty();
        }
        long now = nanoClock.getAsLong();
        if (!failing) {
            failing = true;
            failingSinceNanos = now;
        }
        Duration pause = failure.retryDelay().orElseGet(this::randomPause);
        attempts = Math.min(attempts + 1, MAX_DOUBLINGS);
        long leftNanos = deadlineNanos - (now - failingSinceNanos);
        return TimeUnit.NANOSECONDS.convert(pause) <= leftNanos ? Optional.of(pause) : Optional.empty();
    }

    private Duration randomPause() {
        long mean = Math.min(FIRST_PAUSE.toNanos() << attempts, LAST_PAUSE.toNanos());
        return Duration.ofNanos(ThreadLocalRandom.current().nextLong(mean / 2, mean + mean / 2));
    }

    private static boolean isMendable(DataInfException failure) {
        return switch (failure.code()) {
            case UNAVAILABLE, CANCELLED, DATA_LOSS -> true;
            case RESOURCE_EXHAUSTED -> failure.retryDelay().isPresent();
            default -> false;
        };
    }
}
