package io.datainf.client;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/*
 * Batches in the order of their numbers, and the memory that they are in. Confined to whoever holds the outbox's lock.
 *
 *   claim ─► open ── full, flush, idle ─► waiting ── next ─► sent ── ack ─► spare ─► open
 *                                            ▲                │
 *                                            └── new stream ──┘
 *
 * An open batch is sent before it is full only when nothing else is on its way: so a sample never waits longer than one ack,
 * and batches are full whenever samples come fast.
 */
final class BatchQueue {
    private final ArrayDeque<PendingBatch> waiting = new ArrayDeque<>();
    private final ArrayDeque<PendingBatch> sent = new ArrayDeque<>();
    private final ArrayDeque<PendingBatch> spare = new ArrayDeque<>();
    private final IdSet openIds = new IdSet();
    private BatchShape shape;
    private @Nullable PendingBatch open;
    /** What the sender has in its hands: its memory is not used again, whatever the server acks. */
    private @Nullable PendingBatch sending;

    private long lastSequence;
    private long sentBytes;
    private long heldBytes;

    BatchQueue(BatchShape shape) {
        this.shape = shape;
    }

    BatchShape shape() {
        return shape;
    }

    /** Number of the last batch that was sealed. */
    long lastSequence() {
        return lastSequence;
    }

    /** Whether nothing is taken that is not acked. */
    boolean isEmpty() {
        return open == null && waiting.isEmpty() && sent.isEmpty();
    }

    /** Whether every batch up to this number is acked. */
    boolean isAcked(long sequence) {
        PendingBatch first = sent.isEmpty() ? waiting.peekFirst() : sent.peekFirst();
        return first == null || first.sequence() > sequence;
    }

    /** The first stream says where the numbers begin. */
    void beginAfter(long sequence) {
        lastSequence = sequence;
    }

    // --- Adding.

    /** Whether a claim that begins with this sample keeps the memory within the bound, or is alone in it. */
    boolean hasRoom(long sampleId, boolean withSteps, long maxBytes) {
        return openTakes(sampleId, withSteps) || heldBytes == 0 || heldBytes + shape.bufferBytes() <= maxBytes;
    }

    /** The same for all samples of a call. */
    boolean hasRoomForAll(SampleRows rows, long maxBytes) {
        int inOpen = 0;
        if (open != null && openTakes(rows.sampleIds()[0], rows.steps() != null)) {
            inOpen = open.freeRows();
        }
        long further = Math.max(0, rows.count() - inOpen);
        long batches = (further + shape.maxRows() - 1) / shape.maxRows();
        return batches == 0 || heldBytes == 0 || heldBytes + batches * shape.bufferBytes() <= maxBytes;
    }

    /** Claims places for as many samples, from {@code from} on, as one batch takes; at least one. */
    Claim claim(SampleRows rows, int from) {
        long[] ids = rows.sampleIds();
        long[] steps = rows.steps();
        if (!openTakes(ids[from], steps != null)) {
            seal();
        }
        PendingBatch batch = open == null ? begin(steps != null) : open;
        int firstRow = batch.rows();
        for (int i = from; i < ids.length && !batch.isFull() && openIds.add(ids[i]); i++) {
            batch.append(ids[i], steps == null ? 0 : steps[i]);
        }
        batch.claimed();
        if (batch.isFull()) {
            seal();
        }
        return new Claim(batch, firstRow, batch.rows() - firstRow);
    }

    /** Makes what is open a batch with a number. */
    void seal() {
        if (open != null) {
            lastSequence++;
            open.seal(lastSequence);
            waiting.addLast(open);
            openIds.clear();
            open = null;
        }
    }

    private boolean openTakes(long sampleId, boolean withSteps) {
        return open != null && open.withSteps() == withSteps && !openIds.contains(sampleId);
    }

    private PendingBatch begin(boolean withSteps) {
        PendingBatch batch = spare.pollLast();
        if (batch == null || batch.withSteps() != withSteps) {
            batch = new PendingBatch(shape, withSteps);
        } else {
            batch.reuse();
        }
        heldBytes += batch.bufferBytes();
        open = batch;
        return batch;
    }

    // --- Sending.

    /** Whether {@link #next} would return a batch. */
    boolean hasNext(long maxSentBytes) {
        PendingBatch first = waiting.peekFirst();
        if (first == null) {
            return sent.isEmpty() && open != null && open.isFilled();
        }
        return first.isFilled() && (sent.isEmpty() || sentBytes + first.payloadBytes() <= maxSentBytes);
    }

    /** Takes the next batch to send, with at most so many bytes sent and not acked, or null if there is none now. */
    @Nullable
    PendingBatch next(long maxSentBytes) {
        sending = null;
        if (!hasNext(maxSentBytes)) {
            return null;
        }
        if (waiting.isEmpty()) {
            seal();
        }
        PendingBatch batch = waiting.removeFirst();
        sent.addLast(batch);
        sentBytes += batch.payloadBytes();
        sending = batch;
        return batch;
    }

    /** Puts back in line what was sent and not acked. The sender has nothing in its hands. */
    void resend() {
        sending = null;
        sentBytes = 0;
        while (!sent.isEmpty()) {
            waiting.addFirst(sent.removeLast());
        }
    }

    /** Follows the server's limits; batches of the old shape keep theirs. Returns the largest message that cannot be cut. */
    long reshape(BatchShape present) {
        if (!present.equals(shape)) {
            seal();
            spare.clear();
            shape = present;
        }
        return waiting.stream()
                .filter(batch -> batch.rows() > 1)
                .mapToLong(PendingBatch::messageBytes)
                .max()
                .orElse(0);
    }

    /** Removes the first batch on its way up to this number, or returns null if there is none. */
    @Nullable
    PendingBatch removeAcked(long sequence) {
        PendingBatch first = sent.peekFirst();
        if (first == null || first.sequence() > sequence) {
            return null;
        }
        sent.removeFirst();
        sentBytes -= first.payloadBytes();
        return first;
    }

    /** Removes the first batch in line up to this number: the server had it before this stream began. */
    @Nullable
    PendingBatch removeRecovered(long sequence) {
        PendingBatch first = waiting.peekFirst();
        if (first == null || first.sequence() > sequence) {
            return null;
        }
        return waiting.removeFirst();
    }

    /** Takes the memory of a batch that was removed. */
    void recycle(PendingBatch batch) {
        heldBytes -= batch.bufferBytes();
        if (batch != sending && batch.bufferBytes() == shape.bufferBytes()) {
            spare.addLast(batch);
        }
    }

    /** Lets go of everything. */
    void clear() {
        waiting.clear();
        sent.clear();
        spare.clear();
        open = null;
        sending = null;
    }
}
