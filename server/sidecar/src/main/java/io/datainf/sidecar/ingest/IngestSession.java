package io.datainf.sidecar.ingest;

import io.datainf.engine.run.BatchProgress;
import io.datainf.engine.run.BatchReceipt;
import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunWriter;
import io.datainf.engine.run.SupersededWriterException;
import io.datainf.engine.run.UnknownRunException;
import io.datainf.sidecar.tracing.CallTrace;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * One writer's stream into a run: takes messages, hands whole batches to the run, acks what is durable, and decides when the
 * next message may come.
 *
 * <p>Back-pressure: a message is asked for while the stream's unacked bytes are below their bound and the budget over all
 * streams has room. A stream with nothing unacked, or with a sample that has arrived in part, may always go on, so that no
 * stream waits for another one's silence. Acks wait until the writer reads them, and count as unacked until then.
 *
 * <p>End: the first failure wins over a graceful end (half-close, drain). Either way no further batch is taken, what was
 * handed to the run is awaited and acked, and then the stream ends.
 *
 * <p>Threads: {@link #take} and {@link #halfClose} from one thread at a time; everything else from any thread. Receipts
 * arrive on the run's log thread, which only queues them: acks are sent and memory is freed on the executor, and so the
 * receipts of one flush merge into one ack.
 */
public final class IngestSession {

    private final RunRegistry runs;
    private final Run run;
    private final RunWriter writer;
    private final String writerId;
    private final BatchAssembler assembler;
    private final WriterHello hello;
    private final IngestContext context;
    private final IngestSink sink;
    private final CallTrace trace;
    private final Runnable wake = this::woken;

    private final Object lock = new Object();
    // All guarded by lock.
    private final Queue<BatchOutcome> outcomes = new ArrayDeque<>();
    private final Queue<BatchOutcome> unsent = new ArrayDeque<>();
    private boolean started;
    private boolean requested;
    private boolean waiting;
    private boolean held;
    private boolean flushScheduled;
    private boolean ended;
    private int outstanding;
    private long unackedBytes;
    private long lastMessageBytes = 1;
    private long durableBatchSeq;
    private @Nullable End end;

    private IngestSession(RunRegistry runs, Run run, WriterHello hello, IngestContext context, IngestSink sink) {
        this.runs = runs;
        this.run = run;
        this.hello = hello;
        this.context = context;
        this.sink = sink;
        this.trace = sink.trace();
        this.writerId = hello.writerId();
        this.writer = run.openWriter(writerId, hello.stream());
        this.durableBatchSeq = writer.resumeAfterBatchSeq();
        this.assembler = new BatchAssembler(
                run.definition().layout().dimension(), hello.elementType(), durableBatchSeq, context);
    }

    /**
     * Opens a session; an open one of the same writer is superseded. Nothing is sent before {@link #start()}.
     *
     * @throws WriterMismatchException if the writer's gradients do not belong to the run
     * @throws SupersededWriterException if a later stream of the writer is open
     */
    public static IngestSession open(
            RunRegistry runs, Run run, WriterHello hello, IngestContext context, IngestSink sink) {
        hello.requireFits(run.definition());
        IngestSession session = new IngestSession(runs, run, hello, context, sink);
        context.events().streamOpened();
        session.writer.onEnd(session::writerEnded);
        return session;
    }

    /** Tells the writer that the session is open and lets messages come. */
    public void start() {
        synchronized (lock) {
            if (ended) {
                return;
            }
            started = true;
            sink.opened(durableBatchSeq);
        }
        flush();
    }

    /** Takes the next message. Errors end the session. */
    public void take(BatchMessage message) {
        synchronized (lock) {
            if (ended || end != null) {
                return;
            }
            lastMessageBytes = message.costBytes();
            unackedBytes += lastMessageBytes;
        }
        ArrivedBatch batch;
        try {
            batch = assembler.add(message);
        } catch (RuntimeException | OutOfMemoryError e) {
            fail(e);
            return;
        }
        if (batch != null) {
            append(batch);
        }
        synchronized (lock) {
            requested = false;
        }
        requestMore();
    }

    /** The writer has sent its last message. */
    public void halfClose() {
        try {
            assembler.requireComplete();
            finish(new End(null, true));
        } catch (InvalidBatchException e) {
            fail(e);
        }
    }

    /** Ends the session with an error once everything taken is durable and acked. */
    public void fail(Throwable cause) {
        finish(new End(cause, false));
    }

    /** Ends the session for {@code cause} once everything taken whole is durable and acked. */
    public void drain(RuntimeException cause) {
        finish(new End(cause, true));
    }

    /** The connection is gone: nothing more is sent. Batches that were taken whole are still applied. */
    public void abandon() {
        synchronized (lock) {
            if (ended) {
                return;
            }
            markEnded();
        }
        release();
    }

    /** The writer has read what was sent. */
    public void sinkReady() {
        flush();
    }

    private void append(ArrivedBatch batch) {
        long receivedNanos = System.nanoTime();
        boolean taken;
        synchronized (lock) {
            taken = !ended && end == null;
            if (taken) {
                outstanding++;
            }
        }
        if (!taken) {
            free(batch);
            return;
        }
        context.events().batchReceived(batch.sampleIds().length, batch.totalBytes());
        BatchTrace times = trace.on() ? new BatchTrace(batch) : null;
        CompletionStage<BatchReceipt> receipt;
        try (batch) {
            receipt =
                    writer.append(batch.toSampleBatch(hello.elementType()), times == null ? BatchProgress.NONE : times);
        } catch (IllegalArgumentException e) {
            // What only the run checks, such as an id that occurs twice.
            String message = "batch %d: %s".formatted(batch.batchSeq(), e.getMessage());
            receipt = CompletableFuture.failedStage(new InvalidBatchException("batch", message));
        } catch (RuntimeException | OutOfMemoryError e) {
            receipt = CompletableFuture.failedStage(e);
        }
        receipt.whenComplete((done, failure) -> settled(new BatchOutcome(batch, receivedNanos, times, done, failure)));
    }

    private void free(ArrivedBatch batch) {
        batch.close();
        context.budget().release(batch.costBytes());
    }

    private void settled(BatchOutcome outcome) {
        synchronized (lock) {
            outstanding--;
            outcomes.add(outcome);
        }
        scheduleFlush();
    }

    /** Called by the run, maybe with its locks held: so the question why is asked elsewhere. */
    private void writerEnded() {
        context.executor().execute(() -> fail(whyWriterEnded()));
    }

    private void woken() {
        synchronized (lock) {
            waiting = false;
        }
        requestMore();
    }

    private void finish(End reason) {
        synchronized (lock) {
            if (end == null || (end.graceful() && !reason.graceful())) {
                end = reason;
            }
        }
        scheduleFlush();
    }

    private void scheduleFlush() {
        synchronized (lock) {
            if (flushScheduled) {
                return;
            }
            flushScheduled = true;
        }
        context.executor().execute(this::flush);
    }

    /** Sends what can be sent, ends if it is time, frees what has settled, and goes on reading otherwise. */
    private void flush() {
        List<BatchOutcome> settled;
        boolean over = false;
        synchronized (lock) {
            flushScheduled = false;
            settled = List.copyOf(outcomes);
            outcomes.clear();
            settled.forEach(this::record);
            if (started && !ended) {
                End last = outstanding == 0 ? end : null;
                if (!unsent.isEmpty() && (last != null || sink.ready())) {
                    sendAck();
                }
                if (last != null) {
                    over = true;
                    sink.end(last.cause());
                    markEnded();
                }
            }
        }
        settled.forEach(outcome -> free(outcome.batch()));
        if (over) {
            release();
        } else {
            requestMore();
        }
    }

    /** Needs the lock. */
    private void record(BatchOutcome outcome) {
        BatchReceipt receipt = outcome.receipt();
        if (receipt != null) {
            durableBatchSeq = Math.max(durableBatchSeq, receipt.batchSeq());
            unsent.add(outcome);
            return;
        }
        traceEnd(outcome);
        context.events()
                .batchFailed(outcome.batch().sampleIds().length, outcome.batch().totalBytes());
        if (end == null || end.graceful()) {
            end = new End(outcome.cause(), false);
        }
    }

    /** Needs the lock; calling the sink with it keeps acks in order, and the sink only hands over. */
    private void sendAck() {
        long revision = 0;
        long replaced = 0;
        long duplicates = 0;
        List<RejectedSample> rejected = new ArrayList<>();
        long now = System.nanoTime();
        for (BatchOutcome outcome : unsent) {
            BatchReceipt receipt = outcome.requireReceipt();
            revision = Math.max(revision, receipt.revision());
            replaced += receipt.replacedCount();
            duplicates += receipt.duplicateCount();
            rejected.addAll(receipt.rejected());
            unackedBytes -= outcome.batch().costBytes();
        }
        sink.ack(new BatchAck(durableBatchSeq, revision, replaced, duplicates, rejected));
        for (BatchOutcome outcome : unsent) {
            BatchReceipt receipt = outcome.requireReceipt();
            traceEnd(outcome);
            context.events()
                    .batchAcked(
                            receipt.storedCount() - receipt.replacedCount(),
                            receipt.replacedCount(),
                            receipt.duplicateCount(),
                            receipt.rejected().size(),
                            outcome.batch().totalBytes(),
                            now - outcome.receivedNanos());
        }
        unsent.clear();
    }

    private void traceEnd(BatchOutcome outcome) {
        BatchTrace times = outcome.times();
        if (times != null) {
            trace.ended(times.operation(run.definition().id(), writerId, outcome));
        }
    }

    /** Asks for a message if one may come and none is asked for. */
    private void requestMore() {
        synchronized (lock) {
            if (!started || ended || end != null || requested) {
                return;
            }
            boolean nothingElse = outstanding == 0 && outcomes.isEmpty() && unsent.isEmpty();
            if (nothingElse || assembler.incomplete()) {
                if (waiting) {
                    context.budget().forget(wake);
                    waiting = false;
                }
            } else if (waiting || unackedBytes >= context.maxUnackedBytes()) {
                setHeld(true);
                return;
            } else if (!context.budget().admit(lastMessageBytes, wake)) {
                waiting = true;
                setHeld(true);
                return;
            }
            setHeld(false);
            requested = true;
            sink.requestNext();
        }
    }

    /** Needs the lock. */
    private void setHeld(boolean now) {
        if (held != now) {
            held = now;
            context.events().streamHeld(now);
        }
    }

    /** Needs the lock. */
    private void markEnded() {
        ended = true;
        setHeld(false);
        if (waiting) {
            context.budget().forget(wake);
            waiting = false;
        }
    }

    private void release() {
        context.budget().release(assembler.discard());
        writer.close();
        context.events().streamClosed();
    }

    private Throwable whyWriterEnded() {
        try {
            if (runs.get(run.definition().id()) == run) {
                return new SupersededWriterException(writerId);
            }
        } catch (UnknownRunException e) {
            return e;
        }
        return new UnknownRunException(run.definition().id());
    }

    /**
     * Why the session ends.
     *
     * @param cause what to tell the writer; null when all went well
     * @param graceful whether a failure may still take its place
     */
    private record End(@Nullable Throwable cause, boolean graceful) {}
}
