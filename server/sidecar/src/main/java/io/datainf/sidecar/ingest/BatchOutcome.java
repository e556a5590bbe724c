package io.datainf.sidecar.ingest;

import io.datainf.engine.run.BatchReceipt;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * What became of a batch: a receipt or a failure.
 *
 * @param receivedNanos when its last byte had come
 * @param times null if nobody traces it
 */
record BatchOutcome(
        ArrivedBatch batch,
        long receivedNanos,
        @Nullable BatchTrace times,
        @Nullable BatchReceipt receipt,
        @Nullable Throwable failure) {

    BatchReceipt requireReceipt() {
        if (receipt == null) {
            throw new IllegalStateException("batch %d has no receipt".formatted(batch.batchSeq()));
        }
        return receipt;
    }

    Throwable cause() {
        if (failure instanceof CompletionException && failure.getCause() != null) {
            return failure.getCause();
        }
        return failure == null ? new IllegalStateException("neither receipt nor failure") : failure;
    }
}
