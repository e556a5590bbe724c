package io.datainf.client;

import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestServiceGrpc.IngestServiceStub;
import io.datainf.proto.v1.Open;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * The writer's own thread: opens a stream, sends what the outbox holds, and opens another one when the stream
 * breaks for a reason that a new one can mend:
 *
 *   UNAVAILABLE         the server is stopping, cannot be reached, or failed to write
 *   DATA_LOSS           a batch was damaged on the way
 *   RESOURCE_EXHAUSTED  with RetryInfo: memory or disk is full
 *
 * Everything else is final. The pause between attempts doubles from 0.1 s to 5 s, times a random factor of 0.5
 * to 1.5; the server's RetryInfo wins; an ack begins anew. The outbox's patience bounds them all.
 */
final class IngestSender implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(IngestSender.class);

    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LAST_PAUSE = Duration.ofSeconds(5);

    private final IngestServiceStub stub;
    private final Open open;
    private final Outbox outbox;

    IngestSender(IngestServiceStub stub, Open open, Outbox outbox) {
        this.stub = stub;
        this.open = open;
        this.outbox = outbox;
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
        int attempts = 0;
        long durableBefore = outbox.durableSequence();
        while (true) {
            IngestStream stream = new IngestStream(outbox);
            try {
                stub.ingest(stream);
                stream.send(open);
                drive(stream);
                if (!stream.hasEnded() && outbox.isAlive()) {
                    // All is acked.
                    stream.complete();
                    return;
                }
            } finally {
                if (!outbox.isAlive() || Thread.currentThread().isInterrupted()) {
                    stream.cancel("the writer has failed");
                }
            }
            DataInfException end = endOf(stream);
            if (!outbox.isAlive() || !isMendable(end)) {
                // Without effect when it has failed already.
                outbox.fail(end);
                return;
            }
            attempts = outbox.durableSequence() > durableBefore ? 0 : attempts + 1;
            durableBefore = outbox.durableSequence();
            Duration pause = end.retryDelay().orElse(pauseAfter(attempts));
            log.info(
                    "Stream of run {} broke, next attempt in {} ms: {}",
                    open.getRunId(),
                    pause.toMillis(),
                    end.getMessage());
            if (!outbox.awaitReconnect(pause)) {
                return;
            }
        }
    }

    /** Sends until the stream ends or there is nothing more to send. */
    private void drive(IngestStream stream) throws InterruptedException {
        while (true) {
            PendingBatch batch = outbox.awaitBatch(stream);
            if (batch == null) {
                break;
            }
            for (IngestRequest message : batch.messages(stream.maxMessageBytes())) {
                if (!outbox.awaitReady(stream)) {
                    return;
                }
                stream.send(message);
            }
        }
    }

    private static DataInfException endOf(IngestStream stream) {
        Throwable cause = stream.endCause();
        return cause == null
                ? new DataInfException(Status.Code.UNAVAILABLE, "", "the server ended the stream")
                : DataInfException.of(cause);
    }

    private static boolean isMendable(DataInfException end) {
        return switch (end.code()) {
            case UNAVAILABLE, DATA_LOSS -> true;
            case RESOURCE_EXHAUSTED -> end.retryDelay().isPresent();
            default -> false;
        };
    }

    private static Duration pauseAfter(int attempts) {
        long millis = Math.min(FIRST_PAUSE.toMillis() << Math.min(attempts, 10), LAST_PAUSE.toMillis());
        return Duration.ofMillis(ThreadLocalRandom.current().nextLong(millis / 2, millis + millis / 2));
    }
}
