package io.datainf.sidecar.rpc;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Sends the answers of one call as fast as the client reads, one part of each in turn.
 *
 * <p>Threads: {@link #interim}, {@link #answered}, {@link #failed} and {@link #pumpLater} may be called from anywhere with any
 * lock held, because they only queue. The output is called on the executor with {@code lock} held, which orders it with
 * whatever else the call does.
 *
 * @param <R> what is sent
 */
final class AnswerPump<R> {

    /** Where answers go. Calls hand over and return. */
    interface Output<R> {

        /** Sends a part of an answer. */
        void part(String queryId, R part);

        /** The query failed and is over. */
        void failed(String queryId, Throwable cause);

        /** The last part of the answer was sent. */
        void finished(String queryId);
    }

    private final Object lock;
    private final BooleanSupplier ready;
    private final Executor executor;
    private final Output<R> output;
    private final Queue<Outcome<R>> incoming = new ConcurrentLinkedQueue<>();
    // Guarded by lock.
    private final Queue<Outcome<R>> sending = new ArrayDeque<>();
    private boolean stopped;

    /**
     * Creates a pump.
     *
     * @param lock the call's lock
     * @param ready whether the client reads
     */
    AnswerPump(Object lock, BooleanSupplier ready, Executor executor, Output<R> output) {
        this.lock = lock;
        this.ready = ready;
        this.executor = executor;
        this.output = output;
    }

    /** Sends a message ahead of the answer of a query, e.g. how far it has come. */
    void interim(String queryId, R part) {
        add(new Outcome<>(queryId, null, part, null));
    }

    /** Sends an answer, which the pump closes. */
    void answered(String queryId, Parts<R> parts) {
        add(new Outcome<>(queryId, parts, null, null));
    }

    /** Tells that a query has failed. */
    void failed(String queryId, Throwable cause) {
        add(new Outcome<>(queryId, null, null, cause));
    }

    /** Goes on sending: something came, or the client reads again. */
    void pumpLater() {
        executor.execute(this::pump);
    }

    /** Sends nothing more and lets all answers go. */
    void stop() {
        synchronized (lock) {
            stopped = true;
            sending.forEach(Outcome::close);
            sending.clear();
        }
        pumpLater(); // for what comes in at this moment
    }

    private void add(Outcome<R> outcome) {
        incoming.add(outcome);
        pumpLater();
    }

    private void pump() {
        synchronized (lock) {
            for (Outcome<R> outcome = incoming.poll(); outcome != null; outcome = incoming.poll()) {
                if (stopped) {
                    outcome.close();
                } else {
                    sending.add(outcome);
                }
            }
            // The output may stop the pump.
            while (!stopped && !sending.isEmpty() && ready.getAsBoolean()) {
                sendNext(sending.remove());
            }
        }
    }

    /** Sends one part, after which the query waits behind the others. Needs the lock. */
    private void sendNext(Outcome<R> outcome) {
        String queryId = outcome.queryId();
        Parts<R> parts = outcome.parts();
        if (outcome.interim() != null) {
            output.part(queryId, outcome.interim());
        } else if (parts == null) {
            output.failed(queryId, outcome.requireCause());
        } else {
            sendNext(outcome, parts);
        }
    }

    private void sendNext(Outcome<R> outcome, Parts<R> parts) {
        R part;
        try {
            part = parts.next();
        } catch (RuntimeException | Error e) {
            parts.close();
            output.failed(outcome.queryId(), e);
            return;
        }
        output.part(outcome.queryId(), part);
        if (parts.hasNext()) {
            sending.add(outcome);
        } else {
            parts.close();
            output.finished(outcome.queryId());
        }
    }

    /** An answer being sent, a message ahead of it, or a failure. */
    private record Outcome<R>(
            String queryId,
            @Nullable Parts<R> parts,
            @Nullable R interim,
            @Nullable Throwable cause) {

        Throwable requireCause() {
            return cause == null ? new IllegalStateException("neither answer nor failure") : cause;
        }

        void close() {
            if (parts != null) {
                parts.close();
            }
        }
    }
}
