package io.datainf.engine.kernel;

import org.junit.jupiter.api.Assumptions;

/** ND4J with the backend that this build carries. With the CUDA backend tests run where there is a GPU and are skipped elsewhere. */
public final class Nd4jTestEngine {

    private static final boolean CUDA_BUILD =
            Nd4jTestEngine.class.getClassLoader().getResource("org/nd4j/linalg/jcublas/JCublasBackend.class") != null;

    private Nd4jTestEngine() {}

    /** Whether this build carries the CUDA backend instead of the CPU backend. */
    public static boolean isCudaBuild() {
        return CUDA_BUILD;
    }

    /** Returns the options of the engine; skips the test if it needs a GPU that is not there. */
    public static EngineOptions options() {
        open();
        return EngineOptions.of(CUDA_BUILD ? EngineKind.ND4J_CUDA : EngineKind.ND4J);
    }

    /** Opens the kernels; skips the test if they need a GPU that is not there. */
    static GradientKernels open() {
        if (!CUDA_BUILD) {
            return GradientKernels.open(EngineOptions.of(EngineKind.ND4J));
        }
        try {
            return GradientKernels.open(EngineOptions.of(EngineKind.ND4J_CUDA));
        } catch (EngineUnavailableException e) {
            return Assumptions.abort(e.getMessage());
        }
    }
}
