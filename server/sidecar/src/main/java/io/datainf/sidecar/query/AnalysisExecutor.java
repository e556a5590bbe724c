package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunSnapshot;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Runs jobs over whole runs, one after the other, beside the queries. A full queue refuses. Thread-safe. */
public final class AnalysisExecutor implements AutoCloseable {

    private static final int CAPACITY = 8;

    private final InfluenceCalculator calculator;
    private final QueryMemory memory;
    private final SelfInfluences selfInfluences;
    private final EngineSpeed speed;
    private final Thread thread;

    private final Object lock = new Object();
    // Guarded by lock.
    private final Deque<Job<?>> queue = new ArrayDeque<>();
    private int runningCount;
    // Written with lock.
    private volatile boolean closed;

    /** Starts the thread that computes. */
    AnalysisExecutor(
            InfluenceCalculator calculator, QueryMemory memory, SelfInfluences selfInfluences, EngineSpeed speed) {
        this.calculator = calculator;
        this.memory = memory;
        this.selfInfluences = selfInfluences;
        this.speed = speed;
        this.thread = Thread.ofPlatform().name("datainf-analysis").daemon().start(this::work);
    }

    /** Jobs that run or wait. */
    public int jobCount() {
        synchronized (lock) {
            return queue.size() + runningCount;
        }
    }

    /**
     * Says what self-influences will cost.
     *
     * @throws EmptyRunException if the run holds no samples
     * @throws RevisionNotReachedException if it is not yet at the revision asked for
     * @throws io.datainf.engine.run.UnknownSampleException if it lacks a sample
     */
    public JobEstimate estimate(SelfInfluencePlan plan) {
        SelfInfluenceJob job = new SelfInfluenceJob(plan, calculator, selfInfluences, speed);
        try (RunSnapshot snapshot = plan.run().snapshot()) {
            Snapshots.requireAnswerable(snapshot, plan.minRevision());
            if (job.isKept(snapshot)) {
                return new JobEstimate(0, 0, 0);
            }
            double multiplications = job.request(snapshot).multiplications();
            return new JobEstimate(multiplications, speed.guessNanos(multiplications), jobCount());
        }
    }

    /**
     * Queues a job for self-influences; answers at once if the result is kept.
     *
     * @param cancelled whether nobody waits any more; asked from any thread until the listener is told of the end
     * @throws AnalysisQueueFullException if too many jobs wait
     * @throws QueryExecutorClosedException if the server is stopping
     * @throws RuntimeException of the kinds of {@link #estimate}
     */
    public void submit(
            SelfInfluencePlan plan, BooleanSupplier cancelled, AnalysisListener<SelfInfluenceAnswer> listener) {
        SelfInfluenceJob work = new SelfInfluenceJob(plan, calculator, selfInfluences, speed);
        try (RunSnapshot snapshot = plan.run().snapshot()) {
            Snapshots.requireAnswerable(snapshot, plan.minRevision());
            if (work.isKept(snapshot)) {
                listener.answered(work.run(snapshot, WorkMonitor.of(cancelled), 0));
                return;
            }
        }
        add(new Job<>(plan.run(), plan.minRevision(), work, cancelled, listener));
    }

    /**
     * Queues a comparison of methods. Takes the plan over, also when it throws.
     *
     * @param cancelled whether nobody waits any more; asked from any thread until the listener is told of the end
     * @throws AnalysisQueueFullException if too many jobs wait
     * @throws QueryExecutorClosedException if the server is stopping
     */
    public void submit(ComparisonPlan plan, BooleanSupplier cancelled, AnalysisListener<ComparisonAnswer> listener) {
        ComparisonJob work = new ComparisonJob(plan, calculator, memory);
        add(new Job<>(plan.run(), plan.minRevision(), work, cancelled, listener));
    }

    /** Lets go of jobs that wait and are cancelled, ahead of their turn. */
    public void discardCancelled() {
        remove(Job::cancelled).forEach(job -> job.fail(new CancellationException("the job was cancelled")));
    }

    /** Refuses new jobs, fails those that wait, stops the one that runs, and waits for it to stop. */
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            lock.notifyAll();
        }
        remove(job -> true).forEach(job -> job.fail(new QueryExecutorClosedException()));
        Threads.joinUninterruptibly(thread);
    }

    private void add(Job<?> job) {
        discardCancelled();
        synchronized (lock) {
            if (!closed && queue.size() < CAPACITY) {
                queue.add(job);
                lock.notifyAll();
                return;
            }
        }
        job.work().close();
        throw closed ? new QueryExecutorClosedException() : new AnalysisQueueFullException(CAPACITY);
    }

    private List<Job<?>> remove(Predicate<Job<?>> which) {
        List<Job<?>> removed = new ArrayList<>();
        synchronized (lock) {
            queue.removeIf(job -> which.test(job) && removed.add(job));
        }
        return removed;
    }

    private void work() {
        for (Job<?> job = take(); job != null; job = take()) {
            job.run(() -> closed);
        }
    }

    private @Nullable Job<?> take() {
        synchronized (lock) {
            runningCount = 0;
            Threads.waitUninterruptibly(lock, () -> closed || !queue.isEmpty());
            runningCount = closed ? 0 : 1;
            return closed ? null : queue.remove();
        }
    }

    /** What a job does. Closed when it is over, begun or not. */
    interface Work<T> extends AutoCloseable {

        T run(RunSnapshot snapshot, WorkMonitor monitor, long queueNanos);

        @Override
        default void close() {}
    }

    private record Job<T>(
            Run run,
            long minRevision,
            Work<T> work,
            BooleanSupplier isCancelled,
            AnalysisListener<T> listener,
            long queuedAtNanos) {

        Job(Run run, long minRevision, Work<T> work, BooleanSupplier isCancelled, AnalysisListener<T> listener) {
            this(run, minRevision, work, isCancelled, listener, System.nanoTime());
        }

        boolean cancelled() {
            return isCancelled.getAsBoolean();
        }

        void fail(Throwable cause) {
            work.close();
            listener.failed(cause);
        }

        void run(BooleanSupplier stopping) {
            T answer;
            try (RunSnapshot snapshot = run.snapshot()) {
                Snapshots.requireAnswerable(snapshot, minRevision);
                answer = work.run(snapshot, monitor(stopping), System.nanoTime() - queuedAtNanos);
            } catch (CancellationException e) {
                fail(stopping.getAsBoolean() ? new QueryExecutorClosedException() : e);
                return;
            } catch (IllegalArgumentException | ArithmeticException e) {
                // All else was checked: a damping so extreme that it or the scores leave the range of float64.
                fail(new InvalidQueryException("damping", String.valueOf(e.getMessage())));
                return;
            } catch (Throwable e) { // whatever it is, the next job must find this thread alive
                fail(e);
                return;
            }
            work.close();
            listener.answered(answer);
        }

        private WorkMonitor monitor(BooleanSupplier stopping) {
            ProgressSteps steps = new ProgressSteps();
            return new WorkMonitor() {
                @Override
                public boolean cancelled() {
                    return stopping.getAsBoolean() || isCancelled.getAsBoolean();
                }

                @Override
                public void progress(double fraction) {
                    if (steps.reached(fraction)) {
                        listener.progressed(fraction);
                    }
                }
            };
        }
    }
}
