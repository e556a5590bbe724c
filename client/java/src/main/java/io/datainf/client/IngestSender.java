package io.datainf.client;

import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.datainf.proto.v1.RunServiceGrpc;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The writer's own thread: opens a stream, sends what the outbox holds, and opens another one when the stream breaks. */
final class IngestSender implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(IngestSender.class);
    private static final Duration CALL_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(1);

    private final ManagedChannel channel;
    private final Open open;
    private final Outbox outbox;
    private final Backoff backoff;
    private long streamCount;

    IngestSender(ManagedChannel channel, Open open, Outbox outbox, Backoff backoff) {
        this.channel = channel;
        this.open = open;
        this.outbox = outbox;
        this.backoff = backoff;
    }

    @Override
    public void run() {
        try {
            runStreams();
        } catch (InterruptedException e) {
            outbox.fail(new DataInfException(
                    Status.Code.CANCELLED, "", "the writer was stopped before everything was acked"));
        } catch (RuntimeException | Error e) {
            outbox.fail(DataInfException.of(e));
            throw e;
        }
    }

    private void runStreams() throws InterruptedException {
        long durableBefore = outbox.durableSequence();
        while (true) {
            DataInfException end = runStream();
            if (end == null || !outbox.isAlive()) {
                return;
            }
            boolean idle = outbox.isIdle();
            if (idle || outbox.durableSequence() > durableBefore) {
                backoff.progress();
                durableBefore = outbox.durableSequence();
            }
            Optional<Duration> pause = backoff.pauseAfter(end);
            if (pause.isEmpty()) {
                outbox.fail(end);
                return;
            }
            log.info(
                    "Stream of run {} broke, next attempt in {} ms: {}",
                    open.getRunId(),
                    pause.get().toMillis(),
                    end.getMessage());
            if (!outbox.awaitReconnect(pause.get())) {
                return;
            }
            reconnect();
            if (idle) {
                // It may have waited long for something to send.
                backoff.progress();
            }
        }
    }

    /**
     * Has a channel that has lost the server try at once, and waits a moment for that: by itself it waits up to two minutes
     * between its tries, and calls fail meanwhile without one.
     */
    private void reconnect() throws InterruptedException {
        CountDownLatch changed = new CountDownLatch(1);
        channel.notifyWhenStateChanged(ConnectivityState.TRANSIENT_FAILURE, changed::countDown);
        channel.resetConnectBackoff();
        changed.await(CONNECT_PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Runs one stream; returns why it ended, or null if nothing is left to send. */
    private @Nullable DataInfException runStream() throws InterruptedException {
        IngestStream stream = new IngestStream(outbox);
        boolean completed = false;
        stream.start(channel);
        try {
            stream.send(IngestFrame.of(
                    open.toBuilder().setStreamNumber(++streamCount).build()));
            Opened opened = outbox.awaitOpened(stream);
            if (opened != null) {
                outbox.resume(opened, revisionIncluding(opened));
                drive(stream);
            }
            if (!stream.hasEnded() && outbox.isAlive()) {
                stream.complete();
                completed = true;
                return null;
            }
            return endOf(stream);
        } catch (StatusRuntimeException e) {
            return DataInfException.of(e);
        } finally {
            if (!completed) {
                stream.cancel("the writer goes on without this stream");
            }
        }
    }

    /** A revision that includes what is durable without an ack that would have told it; 0 if there is no such batch. */
    private long revisionIncluding(Opened opened) {
        if (opened.getResumeAfterBatchSeq() <= outbox.durableSequence()) {
            return 0;
        }
        return RunServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(CALL_TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                .getRun(GetRunRequest.newBuilder().setRunId(open.getRunId()).build())
                .getRun()
                .getRevision();
    }

    /** Sends until the stream ends or there is nothing more to send. */
    private void drive(IngestStream stream) throws InterruptedException {
        while (true) {
            PendingBatch batch = outbox.awaitBatch(stream);
            if (batch == null) {
                return;
            }
            for (IngestFrame frame : batch.frames(outbox.shape())) {
                if (!outbox.awaitReady(stream)) {
                    return;
                }
                stream.send(frame);
            }
        }
    }

    private static DataInfException endOf(IngestStream stream) {
        Throwable cause = stream.endCause();
        return cause == null
                ? new DataInfException(Status.Code.UNAVAILABLE, "", "the server ended the stream")
                : DataInfException.of(cause);
    }
}
