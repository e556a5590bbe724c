package io.datainf.client;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.Opened;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * All that the caller's threads, the sender's thread and gRPC's callbacks share, under one lock, the
 * outbox itself; nobody calls out, or copies gradients, while holding it.
 *
 * The outbox ends in one of two ways: closed with nothing left, or failed. A failure is final.
 */
final class Outbox {
    private static final Logger log = LoggerFactory.getLogger(Outbox.class);
    /** For ever, as far as it matters; sums of it and a clock do not overflow. */
    private static final long LONGEST_NANOS = Duration.ofDays(365).toNanos();

    private final WriterOptions options;
    private final int dimension;
    private final long stallNanos;

    @GuardedBy("this")
    private final BatchQueue queue;

    @GuardedBy("this")
    private final WriterCounts counts = new WriterCounts();

    @GuardedBy("this")
    private long maxSentBytes = Long.MAX_VALUE;

    /** The last ack, or what an answer was awaited for since: a stream's beginning, a first sample. */
    @GuardedBy("this")
    private long progressNanos = System.nanoTime();

    @GuardedBy("this")
    private boolean closing;

    @GuardedBy("this")
    private @Nullable DataInfException failure;

    Outbox(int dimension, WriterOptions options) {
        this.options = options;
        this.dimension = dimension;
        this.stallNanos = nanos(options.progressTimeout());
        this.queue = new BatchQueue(BatchShape.of(dimension, options, options.batchBytes()));
    }

    // --- For the caller's threads.

    /** Waits for the first stream to open. */
    synchronized void awaitUsable() throws InterruptedException {
        while (failure == null && counts.streamCount() == 0) {
            wait();
        }
        throwFailure();
    }

    /**
     * Claims places for samples from {@code from} on, as the policy says: under BLOCK for those that one batch takes, else for all
     * or, dropped, for none.
     *
     * @param deadlineNanos when BLOCK gives up, by {@link System#nanoTime}
     */
    synchronized List<Claim> claim(SampleRows rows, int from, long deadlineNanos) throws InterruptedException {
        requireUsable();
        if (options.policy() == BufferPolicy.BLOCK) {
            awaitRoom(rows, from, deadlineNanos);
            return List.of(claimPiece(rows, from));
        }
        if (!queue.hasRoomForAll(rows, options.maxUnackedBytes())) {
            refuse(rows.count());
            return List.of();
        }
        List<Claim> claims = new ArrayList<>();
        for (int next = from;
                next < rows.count();
                next += claims.get(claims.size() - 1).count()) {
            claims.add(claimPiece(rows, next));
        }
        return claims;
    }

    /** Says that the rows of a claim hold their gradients. */
    synchronized void publish(Claim claim) {
        claim.batch().published();
        if (queue.hasNext(maxSentBytes)) {
            notifyAll();
        }
    }

    /** Waits until everything claimed before is acked; returns the revision that includes it. */
    synchronized long flush(Duration timeout) throws InterruptedException {
        long deadline = deadline(timeout);
        requireUsable();
        queue.seal();
        notifyAll();
        long last = queue.lastSequence();
        while (failure == null && !queue.isAcked(last)) {
            if (!awaitUntil(deadline)) {
                throw timedOut(timeout, "they are still on their way");
            }
        }
        throwFailure();
        return counts.revision();
    }

    /** Says that nothing more will be claimed: the sender ends when all is acked. */
    synchronized void close() {
        closing = true;
        queue.seal();
        notifyAll();
    }

    /** After {@link #close}: waits until all is acked; fails for good when the time is up. */
    synchronized void awaitFinished(Duration timeout) throws InterruptedException {
        long deadline = deadline(timeout);
        while (failure == null && !queue.isEmpty()) {
            if (!awaitUntil(deadline)) {
                fail(timedOut(timeout, "they may be lost"));
            }
        }
        throwFailure();
        queue.clear();
    }

    synchronized WriterProgress progress() {
        return counts.progress();
    }

    @GuardedBy("this")
    private void awaitRoom(SampleRows rows, int from, long deadlineNanos) throws InterruptedException {
        while (!queue.hasRoom(rows.sampleIds()[from], rows.steps() != null, options.maxUnackedBytes())) {
            if (!awaitUntil(deadlineNanos)) {
                throw new WriterFullException(
                        "no room within " + options.blockTimeout() + ": " + fullness() + "; " + from
                                + " samples of this call were taken",
                        from);
            }
            requireUsable();
        }
    }

    @GuardedBy("this")
    private Claim claimPiece(SampleRows rows, int from) {
        if (queue.isEmpty()) {
            progressNanos = System.nanoTime();
        }
        Claim claim = queue.claim(rows, from);
        counts.added(claim.count(), (long) claim.count() * queue.shape().rowBytes());
        return claim;
    }

    @GuardedBy("this")
    private void refuse(int count) {
        if (options.policy() == BufferPolicy.RAISE) {
            throw new WriterFullException(fullness() + ", no room for " + count + " samples more", 0);
        }
        if (counts.droppedCount() == 0) {
            log.warn("The buffer of writer {} is full: samples are dropped, as the policy says", options.writerId());
        }
        counts.dropped(count);
    }

    @GuardedBy("this")
    private String fullness() {
        return counts.bufferedBytes() + " of " + options.maxUnackedBytes() + " bytes wait for acks";
    }

    @GuardedBy("this")
    private DataInfException timedOut(Duration timeout, String consequence) {
        return new DataInfException(
                Status.Code.DEADLINE_EXCEEDED,
                "",
                counts.bufferedCount() + " samples were not acked within " + timeout + "; " + consequence);
    }

    @GuardedBy("this")
    private DataInfException noAnswer() {
        Duration timeout = options.progressTimeout();
        return counts.bufferedCount() > 0
                ? timedOut(timeout, "the server does not answer")
                : new DataInfException(
                        Status.Code.DEADLINE_EXCEEDED, "", "the server did not answer within " + timeout);
    }

    // --- For gRPC's callbacks.

    synchronized void acked(Ack ack) {
        if (ack.getRejectedSamplesCount() > 0 && counts.rejectedCount() == 0) {
            var sample = ack.getRejectedSamples(0);
            log.warn("Sample {} was rejected: {}", Long.toUnsignedString(sample.getSampleId()), sample.getDetail());
        }
        long sequence = ack.getDurableBatchSeq();
        for (PendingBatch batch = queue.removeAcked(sequence); batch != null; batch = queue.removeAcked(sequence)) {
            counts.acked(batch);
            queue.recycle(batch);
        }
        counts.take(ack);
        counts.durable(sequence, ack.getRevision());
        progressNanos = System.nanoTime();
        notifyAll();
    }

    /** Makes the sender look again: the state of its stream changed. */
    synchronized void signal() {
        notifyAll();
    }

    // --- For the sender's thread.

    /** Waits for the server's answer to Open; null if the stream has ended. */
    @Nullable
    synchronized Opened awaitOpened(IngestStream stream) throws InterruptedException {
        progressNanos = System.nanoTime();
        while (failure == null && !stream.hasEnded()) {
            Opened opened = stream.opened();
            if (opened != null) {
                return opened;
            }
            awaitWork(true);
        }
        return null;
    }

    /**
     * Takes in the answer to Open: what the server has is acked, the rest is to be sent on this stream.
     *
     * @param revision one that includes the batches up to the resume point; 0 if they were acked before
     */
    synchronized void resume(Opened opened, long revision) {
        long resumeAfter = opened.getResumeAfterBatchSeq();
        if (counts.streamCount() == 0) {
            queue.beginAfter(resumeAfter);
        }
        queue.resend();
        if (resumeAfter < counts.durableSequence() || resumeAfter > queue.lastSequence()) {
            fail(new DataInfException(Status.Code.FAILED_PRECONDITION, "", contradiction(resumeAfter)));
            return;
        }
        for (PendingBatch batch = queue.removeRecovered(resumeAfter);
                batch != null;
                batch = queue.removeRecovered(resumeAfter)) {
            counts.recovered(batch);
            queue.recycle(batch);
        }
        long largest = queue.reshape(BatchShape.of(dimension, options, opened.getMaxMessageBytes()));
        if (largest > opened.getMaxMessageBytes()) {
            fail(new DataInfException(
                    Status.Code.FAILED_PRECONDITION,
                    "",
                    "the server now takes messages of at most " + opened.getMaxMessageBytes() + " bytes, but one of "
                            + largest + " bytes waits to be sent again"));
            return;
        }
        maxSentBytes = opened.getMaxUnackedBytes() > 0 ? opened.getMaxUnackedBytes() : Long.MAX_VALUE;
        counts.durable(resumeAfter, revision);
        counts.streamOpened();
        progressNanos = System.nanoTime();
        notifyAll();
    }

    @GuardedBy("this")
    private String contradiction(long resumeAfter) {
        return "the server goes on after batch " + resumeAfter + ", but this writer has acks up to "
                + counts.durableSequence() + " and has made " + queue.lastSequence()
                + ": the server's data were replaced, or another process uses writer id " + options.writerId();
    }

    /** Fails for good; the first failure stays. */
    synchronized void fail(DataInfException cause) {
        if (failure == null) {
            failure = cause;
            queue.clear();
        }
        notifyAll();
    }

    /** Waits for the next batch to send on a stream; null when the stream has ended or there will be none. */
    @Nullable
    synchronized PendingBatch awaitBatch(IngestStream stream) throws InterruptedException {
        while (failure == null && !stream.hasEnded()) {
            PendingBatch batch = queue.next(maxSentBytes);
            if (batch != null) {
                return batch;
            }
            if (isDone()) {
                return null;
            }
            awaitWork(!queue.isEmpty());
        }
        return null;
    }

    /** Waits until the stream takes a message; false when it has ended. */
    synchronized boolean awaitReady(IngestStream stream) throws InterruptedException {
        while (failure == null && !stream.hasEnded()) {
            if (stream.isReady()) {
                return true;
            }
            awaitWork(true);
        }
        return false;
    }

    /**
     * After a stream has ended: waits at least `pause`, and until there is a reason to open another one. False when
     * there will be none.
     */
    synchronized boolean awaitReconnect(Duration pause) throws InterruptedException {
        long resumeNanos = deadline(pause);
        while (failure == null && !isDone()) {
            if (awaitUntil(resumeNanos)) {
                continue;
            }
            if (!isIdle()) {
                return true;
            }
            wait();
        }
        return false;
    }

    /** Whether it has connected before and has nothing to send. */
    synchronized boolean isIdle() {
        return counts.streamCount() > 0 && queue.isEmpty();
    }

    /** Whether it has not failed. */
    synchronized boolean isAlive() {
        return failure == null;
    }

    /** Number of the last batch that is durable: rises with progress. */
    synchronized long durableSequence() {
        return counts.durableSequence();
    }

    synchronized BatchShape shape() {
        return queue.shape();
    }

    /** Waits for a signal, or fails when an answer is due for longer than the patience lasts. */
    @GuardedBy("this")
    @SuppressWarnings("WaitNotInLoop") // every caller loops
    private void awaitWork(boolean expecting) throws InterruptedException {
        if (!expecting) {
            wait();
        } else if (!awaitUntil(progressNanos + stallNanos)) {
            fail(noAnswer());
        }
    }

    @GuardedBy("this")
    private boolean isDone() {
        return closing && queue.isEmpty();
    }

    @GuardedBy("this")
    private void requireUsable() {
        throwFailure();
        if (closing) {
            throw new IllegalStateException("the writer is closed");
        }
    }

    @GuardedBy("this")
    private void throwFailure() {
        if (failure != null) {
            throw failure.again();
        }
    }

    static long deadline(Duration timeout) {
        return System.nanoTime() + nanos(timeout);
    }

    private static long nanos(Duration duration) {
        return Math.min(TimeUnit.NANOSECONDS.convert(duration), LONGEST_NANOS);
    }

    /** Waits for a signal, or until the deadline; false if it has passed before. */
    @GuardedBy("this")
    @SuppressWarnings("WaitNotInLoop") // every caller loops
    private boolean awaitUntil(long deadlineNanos) throws InterruptedException {
        long left = deadlineNanos - System.nanoTime();
        if (left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return left > 0;
    }
}
