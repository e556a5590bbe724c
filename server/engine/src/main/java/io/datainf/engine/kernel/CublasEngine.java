package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.List;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens {@link CublasKernels} if they can be relied on here. */
final class CublasEngine {

    private static final Logger LOG = LoggerFactory.getLogger(CublasEngine.class);
    private static final long STAGING_BYTES = 16L << 20;

    private CublasEngine() {}

    /**
     * Opens the first GPU.
     *
     * @throws EngineUnavailableException if libraries, driver or GPU are missing or do not fit, or it computes wrong
     */
    static CublasKernels open(EngineOptions options) {
        CudaFunctions functions = CudaLibraries.open(options.cudaLibraries());
        CublasKernels kernels = open(functions, options);
        try {
            for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
                check(kernels, type);
            }
            return kernels.followRows();
        } catch (EngineUnavailableException e) {
            kernels.close();
            throw e;
        }
    }

    private static void check(CublasKernels kernels, ElementType type) {
        long before = kernels.figures().hostPieceCount();
        double error = KernelSelfCheck.greatestError(kernels, type);
        if (!(error <= kernels.relativeError())) {
            throw new EngineUnavailableException(
                    "engine cublas computes wrong products of %s here: relative error %.1e, expected at most %.1e"
                            .formatted(type, error, kernels.relativeError()));
        }
        if (kernels.figures().hostPieceCount() > before) {
            String why = kernels.figures().lastError();
            if (type == ElementType.F32 || !kernels.figures().working()) {
                throw new EngineUnavailableException("engine cublas needs a GPU that computes: " + why);
            }
            LOG.info("the GPU has no products of bfloat16, so that the CPU computes with such rows: {}", why);
            kernels.leaveToHost(type);
        }
    }

    private static CublasKernels open(CudaFunctions functions, EngineOptions options) {
        try {
            return kernels(functions, options.deviceMemoryBytes(), STAGING_BYTES);
        } catch (CudaException e) {
            throw new EngineUnavailableException(
                    "engine cublas needs %s: %s"
                            .formatted(
                                    e.outOfMemory() ? "more free memory of the GPU" : "a working GPU",
                                    String.valueOf(e.getMessage())),
                    e);
        }
    }

    /**
     * Makes kernels of the first GPU.
     *
     * @throws CudaException if it does not work or has too little memory
     */
    static CublasKernels kernels(CudaFunctions functions, OptionalLong rowBytes, long stagingBytes) {
        CudaDevice device = new CudaDevice(functions);
        try {
            long budget = rowBytes.isPresent()
                    ? rowBytes.getAsLong()
                    : device.memory().freeBytes() / 100 * EngineOptions.DEFAULT_DEVICE_PERCENT;
            return new CublasKernels(device, new CublasRows(device, budget, stagingBytes), EngineChoice.onCpu());
        } catch (CudaException e) {
            device.close();
            throw e;
        }
    }
}
