package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * The writers of a run, the batches that wait, and the thread that commits them. The thread lives while there are writers
 * or batches. The queue is bounded by the writers, who keep the memory of each batch until its receipt comes.
 */
final class RunLog {

    private static final Logger logger = LoggerFactory.getLogger(RunLog.class);

    private final RunId runId;
    private final GroupCommit commit;
    private final StoreOptions options;
    private final RunDefinition definition;
    private final RowPlaces places;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition arrived = lock.newCondition();
    private final Condition stopped = lock.newCondition();

    @GuardedBy("lock")
    private final ArrayDeque<PendingOperation> waiting = new ArrayDeque<>();

    // Come before what waits.
    @GuardedBy("lock")
    private final ArrayDeque<LogTask> tasks = new ArrayDeque<>();

    @GuardedBy("lock")
    private final Map<String, RunWriter> writers = new HashMap<>();

    @GuardedBy("lock")
    private @Nullable Thread thread;

    // Why nothing more is taken: an IOException or a RuntimeException.
    @GuardedBy("lock")
    private @Nullable Exception end;

    RunLog(RunDefinition definition, GroupCommit commit, RowPlaces places, StoreOptions options) {
        this.runId = definition.id();
        this.definition = definition;
        this.commit = commit;
        this.places = places;
        this.options = options;
    }

    RunWriter openWriter(String writerId, WriterStream stream) {
        RunWriter writer = new RunWriter(writerId, stream, this, new BatchPreparation(definition));
        RunWriter superseded;
        lock.lock();
        try {
            requireOpen();
            superseded = writers.get(writerId);
            if (superseded != null && stream.precedes(superseded.stream())) {
                throw new SupersededWriterException(writerId);
            }
            writers.put(writerId, writer);
            if (superseded != null) {
                superseded.supersede();
            }
            startThread();
        } finally {
            lock.unlock();
        }
        if (superseded != null) {
            superseded.end();
        }
        return writer;
    }

    void closeWriter(RunWriter writer) {
        lock.lock();
        try {
            writers.remove(writer.id(), writer);
            arrived.signal();
        } finally {
            lock.unlock();
        }
    }

    long durableBatchSeq(String writerId) {
        return commit.durableBatchSeq(writerId);
    }

    /** Has the log begin a new segment between two groups, and waits for that; does nothing if the log has ended. */
    void roll() {
        try {
            boolean ignored = betweenGroups(commit::startNewSegment);
        } catch (IOException e) {
            logger.warn("run '{}': no new segment was begun", runId, e);
        }
    }

    /**
     * Removes the files of the run between two groups, so that no group meets half of them, and ends the log if they are gone.
     * Otherwise it goes on.
     *
     * @param removal removes them, or fails
     * @param gone whether they are gone
     */
    void remove(LogTask.Action removal, BooleanSupplier gone) throws IOException {
        LogTask.Action removeAndEnd = () -> {
            try {
                removal.run();
            } finally {
                if (gone.getAsBoolean()) {
                    end(new UnknownRunException(runId));
                }
            }
        };
        boolean done = betweenGroups(() -> {
            commit.release();
            removeAndEnd.run();
        });
        if (!done) {
            removeAndEnd.run();
        }
    }

    /** Runs something on the log thread and waits for it; does nothing and returns false if the log has ended. */
    private boolean betweenGroups(LogTask.Action action) throws IOException {
        LogTask task = LogTask.of(action);
        lock.lock();
        try {
            if (end != null) {
                return false;
            }
            requireOtherThread();
            tasks.add(task);
            startThread();
            arrived.signal();
        } finally {
            lock.unlock();
        }
        return task.await();
    }

    private void end(Exception reason) {
        lock.lock();
        try {
            end = reason;
        } finally {
            lock.unlock();
        }
        takeAll().forEach(operation -> operation.fail(reason));
    }

    @GuardedBy("lock")
    private void requireOtherThread() {
        if (Thread.currentThread().equals(thread)) {
            throw new IllegalStateException(
                    "a receipt's dependent may not close or delete the run: it would wait for itself");
        }
    }

    /** Queues a deletion; its receipt completes on the log thread, or here if the log has ended. */
    void delete(PendingDeletion operation) {
        Exception refusal;
        lock.lock();
        try {
            refusal = end;
            if (refusal == null) {
                waiting.add(operation);
                startThread();
                arrived.signal();
            }
        } finally {
            lock.unlock();
        }
        if (refusal != null) {
            operation.fail(refusal);
        }
    }

    /**
     * Queues a batch and takes in its rows; its receipt completes on the log thread, or here if the writer may not write. The turn
     * comes first, because it decides where the rows go.
     */
    CompletionStage<BatchReceipt> append(
            RunWriter writer, SampleBatch batch, BatchProgress progress, BatchPreparation preparation) {
        PendingBatch pending;
        lock.lock();
        try {
            Exception refusal = refusal(writer);
            if (refusal != null) {
                return CompletableFuture.failedStage(refusal);
            }
            pending = new PendingBatch(writer, batch, progress, places);
            waiting.add(pending);
        } finally {
            lock.unlock();
        }
        boolean whole = false;
        try {
            pending.arrived(preparation.take(pending, batch));
            whole = true;
        } finally {
            goOn(pending, whole);
        }
        return pending.receipt();
    }

    /** Lets the log go on with a batch that has arrived, or without one that has not. */
    private void goOn(PendingBatch batch, boolean whole) {
        lock.lock();
        try {
            if (!whole) {
                waiting.remove(batch);
            }
            arrived.signal();
        } finally {
            lock.unlock();
        }
        if (!whole) {
            batch.withdraw();
        }
    }

    /**
     * Ends the log, and waits until its thread has.
     *
     * @param reason what later callers get
     * @param drain commit what waits; otherwise it fails with {@code reason}
     * @return the writers that were open
     */
    List<RunWriter> stop(Exception reason, boolean drain) {
        List<RunWriter> ended;
        List<PendingOperation> dropped = new ArrayList<>();
        lock.lock();
        try {
            requireOtherThread();
            end = reason;
            ended = List.copyOf(writers.values());
            writers.clear();
            if (!drain) {
                dropped.addAll(waiting);
                waiting.clear();
            }
            arrived.signal();
            while (thread != null) {
                stopped.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
        dropped.forEach(batch -> batch.fail(reason));
        return ended;
    }

    /** Throws if the log has ended. */
    void requireOpen() {
        lock.lock();
        try {
            if (end instanceof IOException failure) {
                throw new UncheckedIOException(failure);
            }
            if (end instanceof RuntimeException failure) {
                throw failure;
            }
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void startThread() {
        if (thread == null) {
            thread = Thread.ofPlatform().name("datainf-log-" + runId).daemon().unstarted(this::work);
            thread.start();
        }
    }

    @GuardedBy("lock")
    private @Nullable Exception refusal(RunWriter writer) {
        if (end != null) {
            return end;
        }
        if (writer.superseded()) {
            return new SupersededWriterException(writer.id());
        }
        if (writers.get(writer.id()) != writer) {
            return new IllegalStateException("writer '%s' is closed".formatted(writer.id()));
        }
        return null;
    }

    private void work() {
        MDC.put(RunRegistry.LOG_TAG, runId.value()); // of the thread, which is the run's
        try {
            while (true) {
                List<PendingOperation> group = takeGroup();
                // An interrupt, of which nobody knows here, would close the file.
                boolean ignored = Thread.interrupted();
                if (group.isEmpty()) {
                    takeTasks().forEach(LogTask::run);
                    commit.release();
                    if (finished()) {
                        return;
                    }
                } else {
                    // What waits behind a group that fails would leave gaps: it fails as well.
                    commit.commit(group, this::takeAll);
                }
            }
        } catch (RuntimeException | Error e) {
            breakDown(e);
        }
    }

    /** Waits for work and takes as much of one kind as fits a group; none if there are tasks, or nothing left to wait for. */
    private List<PendingOperation> takeGroup() {
        lock.lock();
        try {
            while (tasks.isEmpty()
                    && (waiting.isEmpty()
                            ? !writers.isEmpty()
                            : !waiting.getFirst().ready())) {
                arrived.awaitUninterruptibly();
            }
            List<PendingOperation> group = new ArrayList<>();
            long bytes = 0;
            while (tasks.isEmpty()
                    && bytes < options.groupBytes()
                    && !waiting.isEmpty()
                    && waiting.getFirst().ready()
                    && (group.isEmpty()
                            || group.getLast().getClass() == waiting.getFirst().getClass())) {
                PendingOperation operation = waiting.remove();
                bytes += operation.bytes();
                group.add(operation);
            }
            return group;
        } finally {
            lock.unlock();
        }
    }

    private List<LogTask> takeTasks() {
        lock.lock();
        try {
            List<LogTask> all = List.copyOf(tasks);
            tasks.clear();
            return all;
        } finally {
            lock.unlock();
        }
    }

    private List<PendingOperation> takeAll() {
        lock.lock();
        try {
            List<PendingOperation> all = List.copyOf(waiting);
            waiting.clear();
            return all;
        } finally {
            lock.unlock();
        }
    }

    private boolean finished() {
        lock.lock();
        try {
            if (!waiting.isEmpty() || !tasks.isEmpty() || !writers.isEmpty()) {
                return false;
            }
            thread = null;
            stopped.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void breakDown(Throwable cause) {
        logger.error("run '{}' takes no more batches until the server is restarted", runId, cause);
        IOException failure = new IOException("run '%s' takes no more batches until a restart".formatted(runId), cause);
        try {
            commit.release();
        } finally {
            lock.lock();
            try {
                if (end == null) {
                    end = failure;
                }
                thread = null;
                stopped.signalAll();
            } finally {
                lock.unlock();
            }
            takeAll().forEach(batch -> batch.fail(failure));
            takeTasks().forEach(task -> task.done().cancel(false));
        }
    }
}
