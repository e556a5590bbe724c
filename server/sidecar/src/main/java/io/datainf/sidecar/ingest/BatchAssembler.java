package io.datainf.sidecar.ingest;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.BatchOutOfOrderException;
import org.jspecify.annotations.Nullable;

/**
 * Checks a writer's messages and joins fragments to whole batches. Thread-safe, because a stream may end on another thread
 * than the one that reads it.
 */
final class BatchAssembler {

    private final int dimension;
    private final ElementType elementType;
    private final IngestContext context;
    // Guarded by this.
    private long lastBatchSeq;
    private @Nullable ArrivedBatch partial;
    private boolean closed;

    /**
     * Creates an assembler.
     *
     * @param dimension elements of a sample, D
     * @param resumeAfterBatchSeq the last batch that is durable
     * @param context its budget counts what is taken
     */
    BatchAssembler(int dimension, ElementType elementType, long resumeAfterBatchSeq, IngestContext context) {
        this.dimension = dimension;
        this.elementType = elementType;
        this.lastBatchSeq = resumeAfterBatchSeq;
        this.context = context;
    }

    /**
     * Takes the next message.
     *
     * @return the batch that the message completes, which the caller closes and releases from the budget; null when more fragments are needed or the
     *     assembler is closed
     * @throws InvalidBatchException if the message breaks a rule
     * @throws BatchOutOfOrderException if it leaves a gap in batch numbers
     */
    synchronized @Nullable ArrivedBatch add(BatchMessage message) {
        if (closed) {
            return null;
        }
        ArrivedBatch batch = partial;
        if (batch == null) {
            batch = begin(message);
            partial = batch;
        } else {
            requireContinues(batch, message);
        }
        long costBytes = message.costBytes();
        batch.add(message);
        context.budget().add(costBytes);
        if (!batch.complete()) {
            return null;
        }
        partial = null;
        lastBatchSeq = Math.max(lastBatchSeq, batch.batchSeq());
        return batch;
    }

    /** Whether a batch has arrived in part. */
    synchronized boolean incomplete() {
        return partial != null;
    }

    /**
     * Checks that no batch is left in part.
     *
     * @throws InvalidBatchException if one is
     */
    synchronized void requireComplete() {
        if (partial != null) {
            throw incompleteBatch(partial, "the stream ended");
        }
    }

    /** Drops what has arrived in part and takes nothing more. Returns the bytes to release from the budget. */
    synchronized long discard() {
        closed = true;
        if (partial == null) {
            return 0;
        }
        long costBytes = partial.costBytes();
        partial.close();
        partial = null;
        return costBytes;
    }

    private ArrivedBatch begin(BatchMessage message) {
        requireOrder(message);
        requireIds(message);
        int sampleCount = message.sampleIds().length;
        long sampleBytes = (long) dimension * elementType.byteCount();
        long totalBytes = sampleCount * sampleBytes;
        int gotBytes = message.gradients().byteCount();
        boolean whole = gotBytes == totalBytes;
        boolean fragment = gotBytes > 0 && gotBytes < totalBytes && mayBeCut(sampleCount, totalBytes);
        if (message.elementOffset() != 0) {
            throw new InvalidBatchException(
                    "batch.element_offset",
                    "batch %d begins at element_offset %d: expected 0"
                            .formatted(message.batchSeq(), message.elementOffset()));
        }
        if (!whole && !fragment) {
            throw wrongLength(
                    message,
                    "%d (%d samples * %d elements * %d bytes)"
                            .formatted(totalBytes, sampleCount, dimension, elementType.byteCount()));
        }
        requireWholeElements(message);
        return new ArrivedBatch(message, totalBytes);
    }

    /** Whether a batch may come in fragments: several samples only if many, so that a short message is found at once. */
    private boolean mayBeCut(int sampleCount, long totalBytes) {
        return sampleCount == 1 || totalBytes > context.maxMessageBytes() / 2;
    }

    private void requireContinues(ArrivedBatch batch, BatchMessage message) {
        if (!batch.sameBatch(message)) {
            throw incompleteBatch(batch, "batch %d with other ids or steps came".formatted(message.batchSeq()));
        }
        long expectedOffset = batch.arrivedBytes() / elementType.byteCount();
        if (message.elementOffset() != expectedOffset) {
            throw new InvalidBatchException(
                    "batch.element_offset",
                    "a fragment of batch %d has element_offset %d: expected %d"
                            .formatted(message.batchSeq(), message.elementOffset(), expectedOffset));
        }
        int gotBytes = message.gradients().byteCount();
        long missingBytes = batch.totalBytes() - batch.arrivedBytes();
        if (gotBytes == 0 || gotBytes > missingBytes) {
            throw wrongLength(message, "1 to %d, what the batch still lacks".formatted(missingBytes));
        }
        requireWholeElements(message);
    }

    private void requireOrder(BatchMessage message) {
        if (message.batchSeq() < 1) {
            throw new InvalidBatchException(
                    "batch.batch_seq", "batch_seq is %d: expected at least 1".formatted(message.batchSeq()));
        }
        if (message.batchSeq() > lastBatchSeq + 1) {
            throw new BatchOutOfOrderException(message.batchSeq(), lastBatchSeq + 1);
        }
    }

    private static void requireIds(BatchMessage message) {
        long[] ids = message.sampleIds();
        if (ids.length == 0) {
            throw new InvalidBatchException(
                    "batch.sample_ids",
                    "batch %d has no sample_ids: expected at least 1".formatted(message.batchSeq()));
        }
        if (message.steps().length != 0 && message.steps().length != ids.length) {
            throw new InvalidBatchException(
                    "batch.steps",
                    "batch %d has %d steps: expected none or %d, one a sample"
                            .formatted(message.batchSeq(), message.steps().length, ids.length));
        }
    }

    private void requireWholeElements(BatchMessage message) {
        if (message.gradients().byteCount() % elementType.byteCount() != 0) {
            throw wrongLength(message, "a multiple of %d, whole elements".formatted(elementType.byteCount()));
        }
    }

    private InvalidBatchException incompleteBatch(ArrivedBatch batch, String event) {
        return new InvalidBatchException(
                "batch.gradients",
                "%s while batch %d had got %d bytes: expected %d (%d samples * %d elements * %d bytes)"
                        .formatted(
                                event,
                                batch.batchSeq(),
                                batch.arrivedBytes(),
                                batch.totalBytes(),
                                batch.sampleIds().length,
                                dimension,
                                elementType.byteCount()));
    }

    private static InvalidBatchException wrongLength(BatchMessage message, String expected) {
        return new InvalidBatchException(
                "batch.gradients",
                "gradients of batch %d has %d bytes: expected %s"
                        .formatted(message.batchSeq(), message.gradients().byteCount(), expected));
    }
}
