package io.datainf.engine.kernel;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens the kernels that were asked for. Classes of ND4J are loaded only if they are used: that takes seconds. */
final class EngineChoice {

    private static final Logger LOG = LoggerFactory.getLogger(EngineChoice.class);
    private static final String VECTOR_MODULE = "jdk.incubator.vector";

    /** Whether this Java runtime has the Vector API; classes that use it must not be touched otherwise. */
    static final boolean VECTOR_PRESENT =
            ModuleLayer.boot().findModule(VECTOR_MODULE).isPresent();

    private EngineChoice() {}

    static GradientKernels open(EngineOptions options) {
        return open(options, VECTOR_PRESENT);
    }

    /** Opens kernels on a Java runtime with the Vector API or without. */
    static GradientKernels open(EngineOptions options, boolean vectorPresent) {
        return switch (options.kind()) {
            case AUTO -> best(options, vectorPresent);
            case VECTOR -> {
                if (!vectorPresent) {
                    throw new EngineUnavailableException(
                            "engine vector needs the module %s: start java with --add-modules %s"
                                    .formatted(VECTOR_MODULE, VECTOR_MODULE));
                }
                yield GradientKernels.vector();
            }
            case ND4J -> Nd4jBackend.openCpu();
            case ND4J_CUDA -> Nd4jBackend.openCuda(options.deviceMemoryBytes());
            case CUBLAS -> CublasEngine.open(options);
        };
    }

    private static GradientKernels best(EngineOptions options, boolean vectorPresent) {
        try {
            return CublasEngine.open(options);
        } catch (EngineUnavailableException e) {
            LOG.info("the CPU computes: {}", e.getMessage());
        }
        if (Nd4jBackend.hasCuda()) {
            try {
                return Nd4jBackend.openCuda(options.deviceMemoryBytes());
            } catch (EngineUnavailableException e) {
                LOG.info("the CPU computes: {}", e.getMessage());
            }
        }
        if (vectorPresent) {
            return GradientKernels.vector();
        }
        LOG.warn(
                "module {} is missing, so ND4J computes, slower: start java with --add-modules {}",
                VECTOR_MODULE,
                VECTOR_MODULE);
        return Nd4jBackend.openCpu();
    }

    /** Kernels of float32 on the CPU that need nothing to be loaded: the fastest at hand. */
    static GradientKernels onCpu() {
        return VECTOR_PRESENT ? VectorApiKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /** Kernels of float64: the fastest at hand. */
    static GradientKernels exact() {
        return VECTOR_PRESENT ? VectorDoubleKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /** Kernels for squared norms, which every implementation computes in float64: the fastest at hand. */
    static GradientKernels norms() {
        return VECTOR_PRESENT ? VectorApiKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /** Loops over vectors of float64: the fastest at hand. */
    static BlockLoops blockLoops() {
        return VECTOR_PRESENT ? VectorBlockLoops.INSTANCE : ScalarBlockLoops.INSTANCE;
    }
}
