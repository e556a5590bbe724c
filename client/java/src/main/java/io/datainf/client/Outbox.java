package io.datainf.client;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.Opened;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/*
 * All that the caller's threads, the sender's thread and gRPC's callbacks share, under one lock:
 * batches not sent on the present stream (waiting), batches sent on it and not acked (sent), and how
 * things stand. Everybody waits for `changed`; nobody calls out while holding the lock.
 *
 *   caller:  awaitRoom, put ─► waiting ── sender: awaitBatch ─► sent ── ack ─► gone
 *                                 ▲                             │
 *                                 └────── a new stream opened ──┘
 *
 * The outbox ends in one of two ways: closed with nothing left, or failed. A failure is final.
 */
final class Outbox {
    private static final long A_DAY_NANOS = Duration.ofDays(1).toNanos();

    private final long maxUnackedBytes;
    private final long progressTimeoutNanos;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();

    @GuardedBy("lock")
    private final ArrayDeque<PendingBatch> waiting = new ArrayDeque<>();

    @GuardedBy("lock")
    private final ArrayDeque<PendingBatch> sent = new ArrayDeque<>();

    @GuardedBy("lock")
    private final List<RejectedSample> rejectedSamples = new ArrayList<>();

    @GuardedBy("lock")
    private long unackedBytes;

    @GuardedBy("lock")
    private long serverMaxUnackedBytes = Long.MAX_VALUE;

    @GuardedBy("lock")
    private long durableSequence;

    @GuardedBy("lock")
    private long revision;

    @GuardedBy("lock")
    private long replacedCount;

    @GuardedBy("lock")
    private long duplicateCount;

    @GuardedBy("lock")
    private long rejectedCount;

    @GuardedBy("lock")
    private @Nullable Opened firstOpened;

    @GuardedBy("lock")
    private int openedCount;

    /** When patience began to run: the last ack, or the first batch or connection awaited since. */
    @GuardedBy("lock")
    private long progressNanos = System.nanoTime();

    @GuardedBy("lock")
    private boolean closed;

    @GuardedBy("lock")
    private @Nullable DataInfException failure;

    Outbox(WriterOptions options) {
        this.maxUnackedBytes = options.maxUnackedBytes();
        this.progressTimeoutNanos = options.progressTimeout().toNanos();
    }

    // --- For the caller's threads.

    /** Whether {@link #awaitRoom} would return at once. */
    boolean hasRoom(int payloadBytes) {
        lock.lock();
        try {
            return failure == null && fits(payloadBytes);
        } finally {
            lock.unlock();
        }
    }

    /** Waits until a batch of this size may be put; one that exceeds the bound alone waits until nothing is unacked. */
    void awaitRoom(int payloadBytes) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (failure == null && !fits(payloadBytes)) {
                changed.await();
            }
            throwFailure();
        } finally {
            lock.unlock();
        }
    }

    /** Adds a batch behind all others; {@link #awaitRoom} came before. */
    void put(PendingBatch batch) {
        lock.lock();
        try {
            if (unackedBytes == 0) {
                progressNanos = System.nanoTime();
            }
            waiting.addLast(batch);
            unackedBytes += batch.payloadBytes();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the server's first hello and returns it. */
    Opened awaitOpened() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (failure == null && firstOpened == null) {
                changed.await();
            }
            throwFailure();
            return Objects.requireNonNull(firstOpened);
        } finally {
            lock.unlock();
        }
    }

    /** Waits until everything put is acked; returns the revision that includes it. */
    long awaitAcked() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (failure == null && unackedBytes > 0) {
                changed.await();
            }
            throwFailure();
            return revision;
        } finally {
            lock.unlock();
        }
    }

    /** Says that nothing more will be put: the sender ends when all is acked. */
    void close() {
        lock.lock();
        try {
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    WriterProgress progress() {
        lock.lock();
        try {
            return new WriterProgress(
                    revision,
                    unackedBytes,
                    replacedCount,
                    duplicateCount,
                    rejectedCount,
                    rejectedSamples,
                    Math.max(0, openedCount - 1));
        } finally {
            lock.unlock();
        }
    }

    /** Whether it has not failed. */
    boolean isAlive() {
        lock.lock();
        try {
            return failure == null;
        } finally {
            lock.unlock();
        }
    }

    // --- For gRPC's callbacks.

    /** A stream is open: what it holds is acked, the rest is to be sent on it. */
    void opened(Opened message) {
        lock.lock();
        try {
            while (!sent.isEmpty()) {
                waiting.addFirst(sent.removeLast());
            }
            long resumeAfter = message.getResumeAfterBatchSeq();
            if (resumeAfter < durableSequence) {
                fail(new DataInfException(
                        Status.Code.DATA_LOSS,
                        "",
                        "the server holds batches of this writer up to " + resumeAfter + " but had acked "
                                + durableSequence));
            }
            serverMaxUnackedBytes = message.getMaxUnackedBytes() > 0 ? message.getMaxUnackedBytes() : Long.MAX_VALUE;
            firstOpened = firstOpened == null ? message : firstOpened;
            openedCount++;
            acknowledge(waiting, resumeAfter);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    void acked(Ack ack) {
        lock.lock();
        try {
            acknowledge(sent, ack.getDurableBatchSeq());
            revision = Math.max(revision, ack.getRevision());
            replacedCount += ack.getReplacedCount();
            duplicateCount += ack.getDuplicateCount();
            rejectedCount += ack.getRejectedSamplesCount();
            int room = WriterProgress.REJECTED_SAMPLES_KEPT - rejectedSamples.size();
            for (var sample : ack.getRejectedSamplesList().subList(0, Math.min(room, ack.getRejectedSamplesCount()))) {
                rejectedSamples.add(RejectedSample.of(sample));
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Makes everybody look again: the state of a stream changed. */
    void signal() {
        lock.lock();
        try {
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    // --- For the sender's thread.

    /** Fails for good; the first failure stays. */
    void fail(DataInfException cause) {
        lock.lock();
        try {
            if (failure == null) {
                failure = cause;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the next batch to send on a stream; null when the stream has ended or there will be none. */
    @Nullable
    PendingBatch awaitBatch(IngestStream stream) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (failure == null && !stream.hasEnded()) {
                if (stream.isOpen() && !waiting.isEmpty()) {
                    PendingBatch batch = waiting.removeFirst();
                    sent.addLast(batch);
                    return batch;
                }
                if (isDone()) {
                    return null;
                }
                changed.awaitNanos(patienceNanos());
                checkPatience();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the stream takes a message; false when it has ended. */
    boolean awaitReady(IngestStream stream) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (failure == null && !stream.hasEnded()) {
                if (stream.isReady()) {
                    return true;
                }
                changed.awaitNanos(patienceNanos());
                checkPatience();
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    /**
     * After a stream has ended: waits at least `pause`, and until there is a reason to open another one. False when
     * there will be none.
     */
    boolean awaitReconnect(Duration pause) throws InterruptedException {
        long resumeNanos = System.nanoTime() + pause.toNanos();
        lock.lockInterruptibly();
        try {
            while (failure == null && !isDone()) {
                long pauseNanos = resumeNanos - System.nanoTime();
                if (pauseNanos > 0) {
                    changed.awaitNanos(Math.min(pauseNanos, patienceNanos()));
                    checkPatience();
                } else if (unackedBytes > 0 || openedCount == 0) {
                    return true;
                } else {
                    changed.await();
                }
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Number of the last batch that is durable: rises with progress. */
    long durableSequence() {
        lock.lock();
        try {
            return durableSequence;
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private boolean isDone() {
        return closed && unackedBytes == 0 && openedCount > 0;
    }

    @GuardedBy("lock")
    private boolean fits(int payloadBytes) {
        return unackedBytes == 0 || unackedBytes + payloadBytes <= Math.min(maxUnackedBytes, serverMaxUnackedBytes);
    }

    @GuardedBy("lock")
    private void acknowledge(ArrayDeque<PendingBatch> batches, long sequence) {
        while (!batches.isEmpty() && batches.getFirst().sequence() <= sequence) {
            unackedBytes -= batches.removeFirst().payloadBytes();
        }
        if (sequence > durableSequence) {
            durableSequence = sequence;
            progressNanos = System.nanoTime();
        }
    }

    /** How long the sender may wait: for ever, as far as it matters, when no ack is due. */
    @GuardedBy("lock")
    private long patienceNanos() {
        boolean expecting = unackedBytes > 0 || openedCount == 0;
        return expecting ? progressNanos + progressTimeoutNanos - System.nanoTime() : A_DAY_NANOS;
    }

    @GuardedBy("lock")
    private void checkPatience() {
        if (patienceNanos() <= 0) {
            fail(new DataInfException(
                    Status.Code.DEADLINE_EXCEEDED,
                    "",
                    "no ack within " + Duration.ofNanos(progressTimeoutNanos) + ": " + unackedBytes
                            + " bytes of gradients are not acked"));
        }
    }

    @GuardedBy("lock")
    private void throwFailure() {
        if (failure != null) {
            throw failure.again();
        }
    }
}
