package io.datainf.engine.run;

import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A batch on its way into the log: converted, measured and checked, but not yet compared with what the run holds.
 *
 * @param writer who sent it
 * @param batchSeq the writer's number of it
 * @param allowDeleted whether samples that were deleted may come back
 * @param samples its samples
 * @param rejected samples refused, in the order of the batch; few
 * @param accepted positions of the samples not refused, ascending
 * @param arena owns the rows if they are a copy; null if they are the caller's
 * @param receipt completes when the batch is durable
 */
@SuppressWarnings("ArrayRecordComponent") // not shared
record PendingBatch(
        RunWriter writer,
        long batchSeq,
        boolean allowDeleted,
        SampleColumns samples,
        int[] accepted,
        List<RejectedSample> rejected,
        @Nullable Arena arena,
        CompletableFuture<BatchReceipt> receipt)
        implements PendingOperation {

    @Override
    public long bytes() {
        return samples.rows().byteSize() + (long) samples.squaredNorms().length * Double.BYTES;
    }

    void complete(BatchReceipt result) {
        free();
        receipt.complete(result);
    }

    @Override
    public void fail(Throwable cause) {
        free();
        receipt.completeExceptionally(cause);
    }

    private void free() {
        if (arena != null) {
            arena.close();
        }
    }
}
