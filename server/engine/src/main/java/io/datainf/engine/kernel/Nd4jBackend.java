package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.List;
import java.util.OptionalLong;
import org.nd4j.linalg.factory.Nd4j;

/*
 * ND4J takes the best backend on the class path that loads, and the CPU in silence where CUDA does not. So what is wanted is checked before
 * and after. Every failure is one sentence that names what is missing.
 */
/** Loads ND4J, once a process, and makes kernels of it. */
final class Nd4jBackend {

    private static final String CPU_BACKEND = "org.nd4j.linalg.cpu.nativecpu.CpuBackend";
    private static final String CUDA_BACKEND = "org.nd4j.linalg.jcublas.JCublasBackend";
    // Classes that load the libraries which the backends need.
    private static final List<String> CPU_LIBRARIES = List.of("org.nd4j.linalg.cpu.nativecpu.bindings.Nd4jCpu");
    private static final List<String> CUDA_LIBRARIES =
            List.of("org.bytedeco.cuda.global.cudart", "org.nd4j.linalg.jcublas.bindings.Nd4jCuda");

    private Nd4jBackend() {}

    /**
     * Opens kernels on the CPU.
     *
     * @throws EngineUnavailableException if ND4J or its CPU backend is missing or does not load
     */
    static GradientKernels openCpu() {
        if (!present(CPU_BACKEND)) {
            throw new EngineUnavailableException(
                    present(CUDA_BACKEND)
                            ? "engine nd4j needs a build without the profile cuda: this one has ND4J's CUDA backend instead of its CPU backend"
                            : "engine nd4j needs the jars of ND4J, the folder lib/nd4j of the distribution: they are not on the class path");
        }
        load(EngineKind.ND4J, CPU_BACKEND, CPU_LIBRARIES);
        // Our threads call it all at once, each for a tile of its own.
        Nd4j.factory().blas().setMaxThreads(1);
        Nd4j.getEnvironment().setMaxThreads(1);
        return checked(new Nd4jKernels(EngineKind.ND4J.toString(), new Nd4jHostRows()));
    }

    /**
     * Opens kernels on the first NVIDIA GPU.
     *
     * @param memoryBytes most memory of the GPU that rows may take
     * @throws EngineUnavailableException if the build has no CUDA, or driver, GPU or libraries are missing or do not fit
     */
    static GradientKernels openCuda(OptionalLong memoryBytes) {
        if (!present(CUDA_BACKEND)) {
            throw new EngineUnavailableException(
                    "engine nd4j-cuda needs a build with the profile cuda (mvn -Pcuda): this one has no CUDA backend");
        }
        CudaDriver driver = CudaDriver.query(CudaDriver.LIBRARY);
        driver.requireSupported();
        load(EngineKind.ND4J_CUDA, CUDA_BACKEND, CUDA_LIBRARIES);
        long budgetBytes = memoryBytes.orElse(driver.memoryBytes() / 100 * EngineOptions.DEFAULT_DEVICE_PERCENT);
        return checked(new Nd4jKernels(EngineKind.ND4J_CUDA.toString(), new Nd4jDeviceRows(budgetBytes)));
    }

    /** Whether this build has ND4J's CUDA backend. */
    static boolean hasCuda() {
        return present(CUDA_BACKEND);
    }

    private static void load(EngineKind kind, String backend, List<String> libraries) {
        NativeLibraries.liftMemoryLimits();
        String loaded;
        try {
            // First the libraries: where one is missing, ND4J would print a stack trace and hide the cause.
            for (String library : libraries) {
                Class.forName(library);
            }
            loaded = Nd4j.getBackend().getClass().getName();
        } catch (ClassNotFoundException | LinkageError | RuntimeException e) {
            throw new EngineUnavailableException(
                    "engine %s needs native libraries that do not load: %s".formatted(kind, NativeLibraries.reason(e)),
                    e);
        }
        if (!loaded.equals(backend)) {
            throw new EngineUnavailableException(
                    "engine %s needs the backend %s: ND4J took %s".formatted(kind, backend, loaded));
        }
        Nd4j.getMemoryManager().togglePeriodicGc(false);
    }

    private static GradientKernels checked(GradientKernels kernels) {
        double error = KernelSelfCheck.greatestError(kernels, ElementType.F32);
        if (!(error <= kernels.relativeError())) {
            throw new EngineUnavailableException(
                    "engine %s computes wrong products here: relative error %.1e, expected at most %.1e"
                            .formatted(kernels.name(), error, kernels.relativeError()));
        }
        return kernels;
    }

    private static boolean present(String className) {
        try {
            Class.forName(className, false, Nd4jBackend.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException | NoClassDefFoundError e) {
            return false;
        }
    }
}
