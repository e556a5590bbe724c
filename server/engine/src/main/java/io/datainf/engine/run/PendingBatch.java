package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A batch in its turn: at first its rows arrive, then it waits to be compared with what the run holds and logged. The thread that
 * appends it has it until {@link #arrived}, the log thread afterwards; {@link #fail} may come at any time.
 */
final class PendingBatch implements PendingOperation {

    /**
     * What arrived: converted, measured and checked.
     *
     * @param samples its samples
     * @param accepted positions of the samples not refused, ascending
     * @param rejected samples refused, in the order of the batch; few
     */
    @SuppressWarnings("ArrayRecordComponent") // not shared
    record Content(SampleColumns samples, int[] accepted, List<RejectedSample> rejected) {}

    private final RunWriter writer;
    private final long batchSeq;
    private final boolean allowDeleted;
    private final RowPlaces places;
    private final RowPlace place;
    private final BatchProgress progress;
    private final CompletableFuture<BatchReceipt> receipt = new CompletableFuture<>();
    // Owns the rows if they arrive beside their place.
    private @Nullable Arena arena;

    @GuardedBy("this")
    private @Nullable Content content;

    @GuardedBy("this")
    private @Nullable Throwable failure;

    /** Begins; {@link #arrived} or {@link #withdraw} follows. */
    PendingBatch(RunWriter writer, SampleBatch batch, BatchProgress progress, RowPlaces places) {
        this.writer = writer;
        this.batchSeq = batch.batchSeq();
        this.allowDeleted = batch.allowDeleted();
        this.progress = progress;
        this.places = places;
        this.place = places.next(batch.sampleIds().length);
    }

    RunWriter writer() {
        return writer;
    }

    /** The writer's number of it. */
    long batchSeq() {
        return batchSeq;
    }

    /** Whether samples that were deleted may come back. */
    boolean allowDeleted() {
        return allowDeleted;
    }

    /** Whom to tell how far it has come. */
    BatchProgress progress() {
        return progress;
    }

    RowPlace place() {
        return place;
    }

    /** Returns memory that lives as long as the batch, for rows that arrive beside their place. */
    Arena arena() {
        Arena made = Arena.ofShared();
        arena = made;
        return made;
    }

    /** Completes when the batch is durable. */
    CompletableFuture<BatchReceipt> receipt() {
        return receipt;
    }

    @Override
    public synchronized boolean ready() {
        return content != null;
    }

    /** What arrived; once it is {@link #ready}. */
    synchronized Content content() {
        Content all = content;
        if (all == null) {
            throw new IllegalStateException("batch %d has not arrived".formatted(batchSeq));
        }
        return all;
    }

    @Override
    public long bytes() {
        SampleColumns samples = content().samples();
        return samples.rows().byteSize() + (long) samples.squaredNorms().length * Double.BYTES;
    }

    /** The rows are there; from here on the log thread has the batch. */
    void arrived(Content all) {
        progress.arrived();
        Throwable cause;
        synchronized (this) {
            content = all;
            cause = failure;
        }
        if (cause != null) {
            end(cause);
        }
    }

    /** Gives up a batch that did not arrive and is not in the log's queue any more. */
    void withdraw() {
        free(0);
    }

    void complete(BatchReceipt result) {
        free(result.storedCount());
        receipt.complete(result);
    }

    /** Fails it; while it arrives its memory is written to, so then it ends once it has arrived. */
    @Override
    public void fail(Throwable cause) {
        synchronized (this) {
            if (content == null) {
                failure = cause;
                return;
            }
        }
        end(cause);
    }

    private void end(Throwable cause) {
        free(0);
        receipt.completeExceptionally(cause);
    }

    private void free(int storedCount) {
        if (arena != null) {
            arena.close();
        }
        places.end(place, storedCount);
    }
}
