package io.datainf.engine.kernel;

import java.util.Locale;

/** Which kernels compute. */
public enum EngineKind {

    /** {@link #VECTOR}, or {@link #ND4J} on a Java runtime without the Vector API. */
    AUTO,

    /** SIMD loops of the Vector API. */
    VECTOR,

    /** ND4J on the CPU. */
    ND4J,

    /** ND4J on an NVIDIA GPU; needs a build with the profile {@code cuda}. */
    ND4J_CUDA;

    /** Name on command lines, in answers and in metrics, e.g. "nd4j-cuda". */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
