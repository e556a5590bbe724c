package io.datainf.client;

import io.datainf.proto.v1.SampleBatch;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/*
 * The samples of one batch, from the first that is added to the ack, so that it can be sent again.
 *
 *   open     claim: places for rows are given away, ids and steps set      under the outbox's lock
 *            target: a caller copies its rows into its places              without it, several at once
 *   sealed   has a number; sent once every claim is published
 *   acked    emptied and used again
 */
final class PendingBatch {
    private final BatchShape shape;
    private final boolean withSteps;
    private final byte[] gradients;
    private final long[] sampleIds;
    private final long[] steps;
    private int rows;
    private int unpublishedClaims;
    private long sequence;
    private List<IngestFrame> frames = List.of();

    PendingBatch(BatchShape shape, boolean withSteps) {
        this.shape = shape;
        this.withSteps = withSteps;
        this.gradients = new byte[shape.bufferBytes()];
        this.sampleIds = new long[shape.maxRows()];
        this.steps = new long[withSteps ? shape.maxRows() : 0];
    }

    boolean withSteps() {
        return withSteps;
    }

    int rows() {
        return rows;
    }

    int freeRows() {
        return shape.maxRows() - rows;
    }

    boolean isFull() {
        return rows == shape.maxRows();
    }

    int payloadBytes() {
        return rows * shape.rowBytes();
    }

    int bufferBytes() {
        return gradients.length;
    }

    long sequence() {
        return sequence;
    }

    /** Whether every row that was claimed holds its gradient. */
    boolean isFilled() {
        return unpublishedClaims == 0;
    }

    /** Appends a sample whose gradient is to follow; there is room. */
    void append(long sampleId, long step) {
        sampleIds[rows] = sampleId;
        if (withSteps) {
            steps[rows] = step;
        }
        rows++;
    }

    void claimed() {
        unpublishedClaims++;
    }

    void published() {
        unpublishedClaims--;
    }

    /** Gives the batch its number; no more samples come. */
    void seal(long number) {
        sequence = number;
    }

    /** Makes it a new batch in the same memory. */
    void reuse() {
        rows = 0;
        sequence = 0;
        frames = List.of();
    }

    /** Where the gradients of claimed rows go. */
    ByteBuffer target(int firstRow, int count) {
        return ByteBuffer.wrap(gradients, firstRow * shape.rowBytes(), count * shape.rowBytes())
                .slice()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The only message that carries several samples, at most so large. */
    long messageBytes() {
        return shape.messageBytesOf(rows);
    }

    /**
     * The messages that carry the batch: one, or the fragments of a single sample larger than a message. Made once, with
     * their checksums, unless the size of messages changes. For the sender.
     */
    List<IngestFrame> frames(BatchShape present) {
        if (frames.isEmpty() || (rows == 1 && present.messageBytes() != shape.messageBytes())) {
            frames = makeFrames(present);
        }
        return frames;
    }

    private List<IngestFrame> makeFrames(BatchShape present) {
        int payload = payloadBytes();
        if (rows > 1 || present.messageBytesOf(rows) <= present.messageBytes()) {
            return List.of(frame(0, payload));
        }
        List<IngestFrame> fragments = new ArrayList<>();
        int fragmentBytes = present.fragmentBytes();
        for (int begin = 0; begin < payload; begin += fragmentBytes) {
            fragments.add(frame(begin, Math.min(fragmentBytes, payload - begin)));
        }
        return fragments;
    }

    private IngestFrame frame(int begin, int length) {
        CRC32C checksum = new CRC32C();
        checksum.update(gradients, begin, length);
        SampleBatch.Builder fields = SampleBatch.newBuilder()
                .setBatchSeq(sequence)
                .setCrc32C((int) checksum.getValue())
                .setElementOffset(begin / shape.elementBytes())
                .setAllowDeleted(shape.allowDeleted());
        for (int row = 0; row < rows; row++) {
            fields.addSampleIds(sampleIds[row]);
            if (withSteps) {
                fields.addSteps(steps[row]);
            }
        }
        return IngestFrame.of(fields.build(), gradients, begin, length);
    }
}
