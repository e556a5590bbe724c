package io.datainf.engine.influence;

import io.datainf.engine.kernel.DeviceFigures;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.kernel.GradientKernels;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/** Computes influence scores. Safe for any number of threads. Owns the kernels and their threads. */
public final class InfluenceCalculator implements AutoCloseable {

    private final GradientKernels single;
    private final GradientKernels exact = GradientKernels.exact();
    private final KernelPool pool;
    private final Numerics numerics;

    private InfluenceCalculator(GradientKernels single, KernelPool pool, Numerics numerics) {
        this.single = single;
        this.pool = pool;
        this.numerics = numerics;
    }

    /** Returns a calculator whose kernels use {@code threadCount} threads, with the engine that suits the machine. */
    public static InfluenceCalculator create(int threadCount) {
        return create(threadCount, EngineOptions.DEFAULT);
    }

    /**
     * Returns a calculator whose kernels use {@code threadCount} threads.
     *
     * @throws io.datainf.engine.kernel.EngineUnavailableException if the engine cannot run here
     */
    public static InfluenceCalculator create(int threadCount, EngineOptions engine) {
        return create(threadCount, engine, Numerics.DEFAULT);
    }

    static InfluenceCalculator create(int threadCount, Numerics numerics) {
        return create(threadCount, EngineOptions.DEFAULT, numerics);
    }

    static InfluenceCalculator create(int threadCount, EngineOptions engine, Numerics numerics) {
        return new InfluenceCalculator(GradientKernels.open(engine), new KernelPool(threadCount), numerics);
    }

    /** Name of the engine, e.g. "vector". */
    public String engineName() {
        return single.name();
    }

    /** What the GPU has done and holds; empty if none computes. */
    public Optional<DeviceFigures> deviceFigures() {
        return single.deviceFigures();
    }

    /** Bytes of its memory that the GPU copies in a second, measured over {@code bytes}; empty if none computes. */
    public OptionalDouble measureDeviceCopy(long bytes) {
        return single.measureDeviceCopy(bytes);
    }

    /** Threads that run kernels. */
    public int threadCount() {
        return pool.threadCount();
    }

    /** Nanoseconds that these threads together have spent in kernels since the start. */
    public long busyNanos() {
        return pool.busyNanos();
    }

    /**
     * Runs every kernel until it is compiled, so that queries find it fast. Takes some seconds of processor time, most of it the
     * compiler's; others may compute meanwhile.
     *
     * @throws java.util.concurrent.CancellationException if cancelled, or if the calling thread is interrupted
     */
    public void warmUp(WorkMonitor monitor) {
        WarmUp.run(this, monitor);
    }

    /**
     * Computes scores, one result for each damping, in order. The caller closes each. Calls that come together queue for the threads, task by task.
     *
     * @throws java.util.concurrent.CancellationException if cancelled, or if the calling thread is interrupted
     * @throws IllegalArgumentException if the damping does not fit the blocks or comes to a value that is not finite and greater
     *     than 0, or a validation gradient is not finite
     * @throws ArithmeticException if scores exceed float64, which takes an extreme damping, or LISSA with a step size too great
     * @throws MemoryLimitException if EXACT may not take the memory that it needs
     * @throws IllegalStateException if the calculator is closed
     */
    public List<InfluenceScores> compute(InfluenceRequest request, WorkMonitor monitor) {
        Work work = new Work(monitor);
        work.check();
        return new Computation(request, numerics, pool, work, single, exact).run();
    }

    /**
     * Computes the influence of samples on themselves, [ordinals]. For all samples this takes n^2 D multiplications: see
     * {@link SelfInfluenceRequest#multiplications()}.
     *
     * @throws java.util.concurrent.CancellationException if cancelled, or if the calling thread is interrupted
     * @throws IllegalArgumentException if the damping does not fit the blocks
     * @throws IllegalStateException if the calculator is closed
     */
    public double[] selfInfluence(SelfInfluenceRequest request, WorkMonitor monitor) {
        Work work = new Work(monitor);
        work.check();
        return new SelfInfluence(request, numerics, pool, work).run(single, exact);
    }

    /**
     * Compares methods with EXACT.
     *
     * @param request whose method is EXACT and which has one damping
     * @param methods the methods to compare
     * @throws IllegalArgumentException if the request is none of EXACT, or has several dampings
     * @throws MemoryLimitException if EXACT may not take the memory that it needs
     */
    public MethodComparison compareMethods(
            InfluenceRequest request, List<InfluenceMethod> methods, WorkMonitor monitor) {
        return new MethodComparer(this, request, methods, monitor).run();
    }

    /** Lets the computations that are under way end, and the threads with them. */
    @Override
    public void close() {
        pool.close();
        single.close();
    }
}
