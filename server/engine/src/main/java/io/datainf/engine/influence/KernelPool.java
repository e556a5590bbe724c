package io.datainf.engine.influence;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** The threads that run kernels. Computations that come together queue for them. Safe for any number of threads. */
final class KernelPool implements AutoCloseable {

    private static final long CHECK_MILLIS = 50;

    private final int threadCount;
    private final ExecutorService threads;
    private final LongAdder busyNanos = new LongAdder();
    private final Semaphore reading = new Semaphore(1, true);

    KernelPool(int threadCount) {
        if (threadCount < 1) {
            throw new IllegalArgumentException("threadCount is %d: expected at least 1".formatted(threadCount));
        }
        this.threadCount = threadCount;
        ThreadFactory factory =
                Thread.ofPlatform().daemon().name("datainf-kernel-", 0).factory();
        this.threads = Executors.newFixedThreadPool(threadCount, factory);
    }

    /**
     * Runs {@code task} for 0 .. taskCount-1, in any order, and returns when all have ended. A task that fails stops the
     * others at their next {@link Work#check()}; its exception is thrown on.
     *
     * @param multiplications what all tasks together come to, for the progress of the work
     */
    void forEach(int taskCount, Work work, double multiplications, IntConsumer task) {
        int workerCount = Math.min(taskCount, threadCount);
        AtomicInteger next = new AtomicInteger();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        CountDownLatch running = new CountDownLatch(workerCount);
        Runnable worker = () -> {
            try {
                for (int i = next.getAndIncrement(); i < taskCount; i = next.getAndIncrement()) {
                    work.check();
                    timed(task, i);
                    work.done(multiplications / taskCount);
                }
            } catch (Throwable e) {
                // The first failure is the cause; what follows from it is not of interest.
                failure.compareAndSet(null, e);
                work.stop();
            } finally {
                running.countDown();
            }
        };
        for (int w = 0; w < workerCount; w++) {
            try {
                threads.execute(worker);
            } catch (RejectedExecutionException e) {
                failure.compareAndSet(null, new IllegalStateException("the calculator is closed", e));
                work.stop();
                running.countDown();
            }
        }
        if (awaitAll(running, work)) {
            Thread.currentThread().interrupt();
            failure.compareAndSet(null, new CancellationException("the calling thread was interrupted"));
        }
        switch (failure.get()) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new AssertionError("a task threw a checked exception", e);
        }
    }

    int threadCount() {
        return threadCount;
    }

    /** What the threads together have computed since the start; a task counts when it ends. */
    long busyNanos() {
        return busyNanos.sum();
    }

    private void timed(IntConsumer task, int i) {
        long start = System.nanoTime();
        try {
            task.accept(i);
        } finally {
            busyNanos.add(System.nanoTime() - start);
        }
    }

    /**
     * Waits even when interrupted, since tasks use memory of the caller; an interrupt stops them.
     *
     * @return whether the thread was interrupted
     */
    private static boolean awaitAll(CountDownLatch running, Work work) {
        boolean interrupted = false;
        while (true) {
            try {
                running.await();
                return interrupted;
            } catch (InterruptedException e) {
                interrupted = true;
                work.stop();
            }
        }
    }

    /**
     * Waits until this computation is the only one that reads rows from files; first come, first served.
     *
     * @throws CancellationException if the work should not go on
     */
    void lockReading(Work work) {
        try {
            do {
                work.check();
            } while (!reading.tryAcquire(CHECK_MILLIS, TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the calling thread was interrupted");
        }
    }

    /** Lets the next one read. */
    void unlockReading() {
        reading.release();
    }

    /** Lets the work that was begun end, and the threads with it. */
    @Override
    public void close() {
        threads.close();
    }
}
