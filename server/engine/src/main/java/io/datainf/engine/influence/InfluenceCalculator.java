package io.datainf.engine.influence;

import io.datainf.engine.kernel.GradientKernels;
import java.util.function.BooleanSupplier;

/** Computes influence scores. Safe for any number of threads. Owns the kernels and their threads. */
public final class InfluenceCalculator implements AutoCloseable {

    private final GradientKernels single = GradientKernels.vector();
    private final GradientKernels exact = GradientKernels.scalar();
    private final KernelPool pool;
    private final Numerics numerics;

    private InfluenceCalculator(KernelPool pool, Numerics numerics) {
        this.pool = pool;
        this.numerics = numerics;
    }

    /** Returns a calculator whose kernels use {@code threadCount} threads. */
    public static InfluenceCalculator create(int threadCount) {
        return create(threadCount, Numerics.DEFAULT);
    }

    static InfluenceCalculator create(int threadCount, Numerics numerics) {
        return new InfluenceCalculator(new KernelPool(threadCount), numerics);
    }

    /** Name of the engine, e.g. "vector". */
    public String engineName() {
        return single.name();
    }

    /**
     * Runs every kernel until it is compiled, so that the first query finds it fast. Takes some seconds of
     * processor time, most of it the compiler's.
     */
    public void warmUp() {
        WarmUp.run(this);
    }

    /**
     * Computes scores. The caller closes them. Calls that come together queue for the threads, task by task.
     *
     * @param cancelled asked between row tiles, by several threads; true stops the work
     * @throws java.util.concurrent.CancellationException if cancelled, or if the calling thread is interrupted
     * @throws IllegalArgumentException if the damping does not fit the blocks or comes to a value that is not finite and greater
     *     than 0, or a validation gradient is not finite
     * @throws ArithmeticException if scores exceed float64, which takes an extreme damping
     * @throws IllegalStateException if the calculator is closed
     */
    public InfluenceScores compute(InfluenceRequest request, BooleanSupplier cancelled) {
        Cancellation cancellation = new Cancellation(cancelled);
        cancellation.check();
        return new Computation(request, numerics, pool, cancellation).run(single, exact);
    }

    /** Lets the computations that are under way end, and the threads with them. */
    @Override
    public void close() {
        pool.close();
    }
}
