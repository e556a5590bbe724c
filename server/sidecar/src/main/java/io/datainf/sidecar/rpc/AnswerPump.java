package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.QueryResponse;
import io.datainf.sidecar.query.QueryAnswer;
import io.datainf.sidecar.query.QueryListener;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Sends the answers of one call as fast as the client reads, one part of each in turn.
 *
 * <p>Threads: {@link #listener} and {@link #pumpLater} may be called from anywhere with any lock held, because they only queue.
 * The output is called on the executor with {@code lock} held, which orders it with whatever else the call does.
 */
final class AnswerPump {

    /** Where answers go. Calls hand over and return. */
    interface Output {

        /** Sends a part of an answer. */
        void part(String queryId, QueryResponse part);

        /** The query failed and is over. */
        void failed(String queryId, Throwable cause);

        /** The last part of the answer was sent. */
        void finished(String queryId);
    }

    private final Object lock;
    private final BooleanSupplier ready;
    private final Executor executor;
    private final Output output;
    private final Queue<Outcome> incoming = new ConcurrentLinkedQueue<>();
    // Guarded by lock.
    private final Queue<Outcome> sending = new ArrayDeque<>();
    private boolean stopped;

    /**
     * Creates a pump.
     *
     * @param lock the call's lock
     * @param ready whether the client reads
     */
    AnswerPump(Object lock, BooleanSupplier ready, Executor executor, Output output) {
        this.lock = lock;
        this.ready = ready;
        this.executor = executor;
        this.output = output;
    }

    /** Returns what to tell when the query of this id ends. */
    QueryListener listener(String queryId) {
        return new QueryListener() {
            @Override
            public void answered(QueryAnswer answer) {
                incoming.add(new Outcome(queryId, new AnswerEncoder(answer), null));
                pumpLater();
            }

            @Override
            public void failed(Throwable cause) {
                incoming.add(new Outcome(queryId, null, cause));
                pumpLater();
            }
        };
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

    private void pump() {
        synchronized (lock) {
            for (Outcome outcome = incoming.poll(); outcome != null; outcome = incoming.poll()) {
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
    private void sendNext(Outcome outcome) {
        AnswerEncoder encoder = outcome.encoder();
        if (encoder == null) {
            output.failed(outcome.queryId(), outcome.requireCause());
            return;
        }
        QueryResponse part;
        try {
            part = encoder.next();
        } catch (RuntimeException | Error e) {
            encoder.close();
            output.failed(outcome.queryId(), e);
            return;
        }
        output.part(outcome.queryId(), part);
        if (encoder.hasNext()) {
            sending.add(outcome);
        } else {
            encoder.close();
            output.finished(outcome.queryId());
        }
    }

    /** An answer being sent, or a failure. */
    private record Outcome(
            String queryId,
            @Nullable AnswerEncoder encoder,
            @Nullable Throwable cause) {

        Throwable requireCause() {
            return cause == null ? new IllegalStateException("neither answer nor failure") : cause;
        }

        void close() {
            if (encoder != null) {
                encoder.close();
            }
        }
    }
}
