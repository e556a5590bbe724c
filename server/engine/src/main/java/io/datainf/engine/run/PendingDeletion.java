package io.datainf.engine.run;

import java.util.concurrent.CompletableFuture;

/**
 * Samples to be deleted.
 *
 * @param sampleIds the trainer's ids; may repeat
 * @param receipt completes when the deletion is durable
 */
@SuppressWarnings("ArrayRecordComponent") // not shared
record PendingDeletion(long[] sampleIds, CompletableFuture<DeletionReceipt> receipt) implements PendingOperation {

    @Override
    public boolean ready() {
        return true;
    }

    @Override
    public long bytes() {
        return (long) sampleIds.length * Long.BYTES;
    }

    @Override
    public void fail(Throwable cause) {
        receipt.completeExceptionally(cause);
    }
}
