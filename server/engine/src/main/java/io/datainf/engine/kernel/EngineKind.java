package io.datainf.engine.kernel;

import java.util.Locale;

/** Which kernels compute. */
public enum EngineKind {

    /**
     * The best that can run and passes its test: {@link #CUBLAS}, {@link #ND4J_CUDA} in a build with it, {@link #VECTOR}, or {@link #ND4J} on a Java runtime without the
     * Vector API.
     */
    AUTO,

    /** SIMD loops of the Vector API. */
    VECTOR,

    /** ND4J on the CPU. */
    ND4J,

    /** ND4J on an NVIDIA GPU; needs a build with the profile {@code cuda}. */
    ND4J_CUDA,

    /** cuBLAS on an NVIDIA GPU, with CUDA 12 or 13. */
    CUBLAS;

    /** Name on command lines, in answers and in metrics, e.g. "nd4j-cuda". */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
