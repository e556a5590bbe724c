package io.datainf.sidecar.query;

import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.Predicate;

/*
 * Micro-batching: what arrives while a batch runs waits, and the next batch takes all of it that goes together. No timer delays a query,
 * so at low load each runs alone at once, and at high load up to MAX_POINTS validation points share the readings of the rows.
 */
/** One queue of queries and the thread that computes them. Thread-safe. */
final class QueryLane implements AutoCloseable {

    /** Validation points that can share a reading of the rows. */
    static final int MAX_POINTS = 32;

    private final int capacity;
    private final BatchComputation computation;
    private final Thread thread;

    private final Object lock = new Object();
    // Guarded by lock.
    private final QueryQueue queue = new QueryQueue();
    // Written with lock.
    private volatile boolean closed;

    /** Starts the thread. */
    QueryLane(String threadName, int capacity, BatchComputation computation) {
        this.capacity = capacity;
        this.computation = computation;
        this.thread = Thread.ofPlatform().name(threadName).daemon().start(this::work);
    }

    /** Queries that wait. */
    int depth() {
        synchronized (lock) {
            return queue.size();
        }
    }

    /**
     * Queues a query. What it throws leaves the query to the caller.
     *
     * @throws QueryQueueFullException if too many wait
     * @throws QueryExecutorClosedException if the lane is closed
     */
    void add(QueuedQuery query) {
        discardCancelled();
        synchronized (lock) {
            if (closed) {
                throw new QueryExecutorClosedException();
            }
            if (queue.size() >= capacity) {
                throw new QueryQueueFullException(capacity);
            }
            queue.add(query);
            lock.notifyAll();
        }
    }

    /** Lets go of queries that wait and are cancelled, ahead of their turn. */
    void discardCancelled() {
        for (QueuedQuery query : remove(QueuedQuery::cancelled)) {
            computation.fail(query, stopped());
        }
    }

    /** Fails the queries that wait, stops those that run, and waits for them to stop. */
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            lock.notifyAll();
        }
        remove(query -> true).forEach(query -> computation.fail(query, new QueryExecutorClosedException()));
        Threads.joinUninterruptibly(thread);
    }

    private List<QueuedQuery> remove(Predicate<QueuedQuery> which) {
        synchronized (lock) {
            return queue.removeIf(which);
        }
    }

    private void work() {
        for (List<QueuedQuery> next = take(); !next.isEmpty(); next = take()) {
            putBack(computation.compute(next, () -> closed));
        }
    }

    /** Returns the next batch; none when the lane is closed. */
    private List<QueuedQuery> take() {
        synchronized (lock) {
            Threads.waitUninterruptibly(lock, () -> closed || queue.size() > 0);
            return closed ? List.of() : queue.takeBatch(MAX_POINTS);
        }
    }

    private void putBack(List<QueuedQuery> left) {
        synchronized (lock) {
            if (!closed) {
                queue.putBack(left);
                return;
            }
        }
        left.forEach(query -> computation.fail(query, new QueryExecutorClosedException()));
    }

    private RuntimeException stopped() {
        return closed ? new QueryExecutorClosedException() : new CancellationException("the query was cancelled");
    }
}
