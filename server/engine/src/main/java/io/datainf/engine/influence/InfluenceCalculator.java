package io.datainf.engine.influence;

import java.util.function.BooleanSupplier;

/** Computes influence scores. Safe for any number of threads. Owns the kernels and their threads. */
public final class InfluenceCalculator implements AutoCloseable {

    private InfluenceCalculator() {}

    /** Returns a calculator whose kernels use {@code threadCount} threads. */
    public static InfluenceCalculator create(int threadCount) {
        throw new UnsupportedOperationException();
    }

    /** Name of the engine, e.g. "vector". */
    public String engineName() {
        throw new UnsupportedOperationException();
    }

    /**
     * Runs the kernels once so that the first query finds them compiled.
     */
    public void warmUp() {
        throw new UnsupportedOperationException();
    }

    /**
     * Computes scores. The caller closes them.
     *
     * @param cancelled asked between row tiles; true stops the work
     * @throws java.util.concurrent.CancellationException if cancelled
     */
    public InfluenceScores compute(InfluenceRequest request, BooleanSupplier cancelled) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
