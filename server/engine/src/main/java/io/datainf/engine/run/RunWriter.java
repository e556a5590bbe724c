package io.datainf.engine.run;

import java.util.concurrent.CompletionStage;

/**
 * One writer's way into a run. Only the newest writer of an id may append; opening another one supersedes it.
 *
 * <p>Threads: {@link #append} from one thread at a time.
 */
public final class RunWriter implements AutoCloseable {

    RunWriter() {}

    /** Highest batch number of this writer that is durable; 0 for a new writer. */
    public long resumeAfterBatchSeq() {
        throw new UnsupportedOperationException();
    }

    /**
     * Applies a batch as one and makes it durable. Receipts complete in the order of the calls, on the run's log thread:
     * dependents must not block.
     *
     * <p>A batch number that is durable already completes with an empty receipt and changes nothing.
     *
     * <p>The stage fails, with nothing of the batch applied, with {@link BatchOutOfOrderException} for a gap in batch numbers,
     * {@link SupersededWriterException} when a newer writer of this id exists, {@link UnknownRunException} when the run
     * was deleted, {@link MemoryBudgetException} when memory is full, {@link java.io.IOException} when the store fails.
     */
    public CompletionStage<BatchReceipt> append(SampleBatch batch) {
        throw new UnsupportedOperationException();
    }

    /** Registers what to do once when a newer writer of this id is opened or the run is deleted. Must not block. */
    public void onEnd(Runnable action) {
        throw new UnsupportedOperationException();
    }

    /** Gives the writer up. What was appended stays. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
