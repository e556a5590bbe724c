package io.datainf.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.LongStream;

/** Collects samples until a batch is full. Confined to whoever holds the writer's lock. */
final class BatchBuilder {
    /** Keeps the search for a repeated id cheap when samples are small. */
    private static final int MAX_ROWS = 1_024;

    private final int dimension;
    private final int maxRows;
    private final boolean allowDeleted;
    private long[] sampleIds;
    private ByteBuffer gradients;
    private int rows;

    /**
     * @param dimension elements of a sample, D
     * @param maxMessageBytes the server's limit
     * @param options size at which a batch is full, and whether deleted samples may come back
     */
    BatchBuilder(int dimension, int maxMessageBytes, WriterOptions options) {
        long rowBytes = (long) dimension * Float.BYTES + Long.BYTES;
        int room = Math.min(maxMessageBytes, options.batchBytes()) - PendingBatch.MESSAGE_OVERHEAD_BYTES;
        this.dimension = dimension;
        this.allowDeleted = options.allowDeleted();
        this.maxRows = (int) Math.max(1, Math.min(MAX_ROWS, room / rowBytes));
        this.sampleIds = new long[maxRows];
        this.gradients = allocate();
    }

    private ByteBuffer allocate() {
        return ByteBuffer.allocate(maxRows * dimension * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    boolean isEmpty() {
        return rows == 0;
    }

    boolean isFull() {
        return rows == maxRows;
    }

    int payloadBytes() {
        return rows * dimension * Float.BYTES;
    }

    boolean contains(long sampleId) {
        for (int row = 0; row < rows; row++) {
            if (sampleIds[row] == sampleId) {
                return true;
            }
        }
        return false;
    }

    /** Copies a sample in; there must be room, and the length must be D. */
    void append(long sampleId, float[] gradient) {
        sampleIds[rows] = sampleId;
        gradients
                .slice(rows * dimension * Float.BYTES, dimension * Float.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .put(gradient);
        rows++;
    }

    /** Returns what was collected and begins anew. */
    PendingBatch build(long sequence) {
        // The batch keeps the buffer, which is not written again.
        ByteString bytes = UnsafeByteOperations.unsafeWrap(gradients.slice(0, payloadBytes()));
        PendingBatch batch = new PendingBatch(
                sequence, LongStream.of(Arrays.copyOf(sampleIds, rows)).boxed().toList(), allowDeleted, bytes);
        gradients = allocate();
        sampleIds = new long[maxRows];
        rows = 0;
        return batch;
    }
}
