package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * One writer's way into a run. Only the newest writer of an id may append; opening another one supersedes it.
 *
 * <p>Threads: {@link #append} from one thread at a time.
 */
public final class RunWriter implements AutoCloseable {

    private final String id;
    private final WriterStream stream;
    private final RunLog log;
    private final BatchPreparation preparation;
    private final Object lock = new Object();
    private volatile boolean superseded;

    @GuardedBy("lock")
    private final List<Runnable> endActions = new ArrayList<>();

    @GuardedBy("lock")
    private boolean ended;

    RunWriter(String id, WriterStream stream, RunLog log, BatchPreparation preparation) {
        this.id = id;
        this.stream = stream;
        this.log = log;
        this.preparation = preparation;
    }

    String id() {
        return id;
    }

    WriterStream stream() {
        return stream;
    }

    boolean superseded() {
        return superseded;
    }

    void supersede() {
        superseded = true;
    }

    /** Highest batch number of this writer that is durable; 0 for a new writer. */
    public long resumeAfterBatchSeq() {
        return log.durableBatchSeq(id);
    }

    /**
     * Applies a batch as one and makes it durable. Receipts complete in the order of the calls, on the run's log thread:
     * dependents must not block, and must not close or delete the run.
     *
     * <p>A batch number that is durable already completes with an empty receipt and changes nothing.
     *
     * <p>The stage fails, with nothing of the batch applied, with {@link BatchOutOfOrderException} for a gap in batch numbers,
     * {@link SupersededWriterException} when a newer writer of this id exists, {@link UnknownRunException} when the run
     * was deleted, {@link java.io.IOException} when the store fails. The
     * same batch number can then be sent again; those that were sent after it fail as well.
     *
     * <p>The gradients are read before this returns, once, to where they will lie; only where the encoding is converted, memory is
     * full, or samples before them were not stored, they are copied again.
     *
     * @throws IllegalArgumentException if the gradients do not have one row for each id; and what the gradients themselves throw: nothing
     *     is applied then
     */
    public CompletionStage<BatchReceipt> append(SampleBatch batch) {
        return append(batch, BatchProgress.NONE);
    }

    /** The same, telling {@code progress} how far the batch has come. */
    public CompletionStage<BatchReceipt> append(SampleBatch batch, BatchProgress progress) {
        preparation.requireRows(batch);
        return log.append(this, batch, progress, preparation);
    }

    /**
     * Registers what to do once when a newer writer of this id is opened or the run is deleted; at once if that has happened.
     * Must not block.
     */
    public void onEnd(Runnable action) {
        synchronized (lock) {
            if (!ended) {
                endActions.add(action);
                return;
            }
        }
        action.run();
    }

    /** Runs the actions; called without locks held. */
    void end() {
        List<Runnable> actions;
        synchronized (lock) {
            ended = true;
            actions = List.copyOf(endActions);
            endActions.clear();
        }
        actions.forEach(Runnable::run);
    }

    /** Gives the writer up. What was appended stays. */
    @Override
    public void close() {
        log.closeWriter(this);
    }
}
