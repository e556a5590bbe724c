package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Queues queries and computes them one after the other, each on the newest durable state when its turn comes. A full queue
 * refuses. Thread-safe.
 */
public final class QueryExecutor implements AutoCloseable {

    private final InfluenceCalculator calculator;
    private final QueryLimits limits;
    private final QueryEvents events;
    private final QueryMemory memory;
    private final QueryComputation computation;
    private final Thread thread;

    private final Object lock = new Object();
    // Guarded by lock.
    private final Deque<Waiting> queue = new ArrayDeque<>();
    // Written with lock.
    private volatile boolean closed;

    /** Starts the thread that computes. The calculator stays the caller's. */
    public QueryExecutor(InfluenceCalculator calculator, QueryLimits limits, QueryEvents events) {
        this.calculator = calculator;
        this.limits = limits;
        this.events = events;
        this.memory = new QueryMemory(limits.maxMemoryBytes());
        this.computation = new QueryComputation(calculator, memory, events);
        this.thread = Thread.ofPlatform().name("datainf-query").daemon().start(this::work);
    }

    /** Engine that computes, e.g. "vector". */
    public String engineName() {
        return calculator.engineName();
    }

    /** Memory that queries hold. */
    public QueryMemory memory() {
        return memory;
    }

    /** Queries that wait. */
    public int queueDepth() {
        synchronized (lock) {
            return queue.size();
        }
    }

    /**
     * Returns room for validation gradients, to be filled and made part of a plan or closed.
     *
     * @throws QueryMemoryException if there is too little memory
     */
    public ValidationGradients allocate(BlockLayout layout, int count, ElementType elementType) {
        return ValidationGradients.allocate(layout, count, elementType, memory);
    }

    /**
     * Queues a query. Takes the plan over, also when it throws.
     *
     * @param cancelled whether the asker is gone or its deadline has passed; asked from any thread until the listener is told
     * @throws QueryQueueFullException if too many queries wait
     * @throws QueryExecutorClosedException if the server is stopping
     */
    public void submit(QueryPlan plan, BooleanSupplier cancelled, QueryListener listener) {
        discardCancelled();
        synchronized (lock) {
            if (!closed && queue.size() < limits.queueCapacity()) {
                queue.add(new Waiting(plan, cancelled, listener, System.nanoTime()));
                lock.notifyAll();
                return;
            }
        }
        plan.close();
        events.queryRefused();
        throw closed ? new QueryExecutorClosedException() : new QueryQueueFullException(limits.queueCapacity());
    }

    /** Lets go of queries that wait and are cancelled, ahead of their turn. */
    public void discardCancelled() {
        drop(waiting -> waiting.cancelled().getAsBoolean());
    }

    /** Refuses new queries, fails those that wait, stops the one that runs, and waits for it to stop. */
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            lock.notifyAll();
        }
        drop(waiting -> true);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void drop(Predicate<Waiting> which) {
        List<Waiting> dropped = new ArrayList<>();
        synchronized (lock) {
            queue.removeIf(waiting -> which.test(waiting) && dropped.add(waiting));
        }
        for (Waiting waiting : dropped) {
            waiting.plan().close();
            fail(waiting, stopped());
            events.queryFailed(waiting.plan().method());
        }
    }

    private void work() {
        for (Waiting next = take(); next != null; next = take()) {
            compute(next);
        }
    }

    private void compute(Waiting waiting) {
        QueryPlan plan = waiting.plan();
        QueryAnswer answer;
        try (plan) {
            BooleanSupplier cancelled = () -> closed || waiting.cancelled().getAsBoolean();
            answer = computation.compute(plan, System.nanoTime() - waiting.queuedAtNanos(), cancelled);
        } catch (CancellationException e) {
            fail(waiting, stopped());
            return;
        } catch (Throwable e) { // whatever it is, the next query must find this thread alive
            fail(waiting, e);
            return;
        }
        waiting.listener().answered(answer);
    }

    private RuntimeException stopped() {
        return closed ? new QueryExecutorClosedException() : new CancellationException("the query was cancelled");
    }

    private static void fail(Waiting waiting, Throwable cause) {
        waiting.listener().failed(cause);
    }

    private @Nullable Waiting take() {
        boolean interrupted = false;
        synchronized (lock) {
            while (queue.isEmpty() && !closed) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    interrupted = true; // nobody of ours interrupts this thread
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return queue.poll();
        }
    }

    private record Waiting(QueryPlan plan, BooleanSupplier cancelled, QueryListener listener, long queuedAtNanos) {}
}
