package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/*
 * Asks NVIDIA's driver itself, before ND4J is loaded: what ND4J throws without a driver or a device names neither. Signatures and numbers:
 * CUDA Driver API, cuInit, cuDeviceGetCount, cuDeviceGet, cuDeviceGetAttribute, cuDeviceTotalMem.
 */
/**
 * What NVIDIA's driver says about the first GPU.
 *
 * @param major compute capability, before the point
 * @param minor compute capability, behind the point
 * @param memoryBytes memory of the device
 */
@SuppressWarnings("restricted") // calls a library
record CudaDriver(int major, int minor, long memoryBytes) {

    /** File of the driver's library. */
    static final String LIBRARY = "libcuda.so.1";

    // nd4j-cuda-11.6 has machine code for these and for those between, and no code that a driver could translate for
    // later ones. 8.9 runs what was built for 8.6.
    private static final int OLDEST = 37;
    private static final int NEWEST = 89;

    private static final int SUCCESS = 0;
    private static final int NO_DEVICE = 100;
    private static final int COMPUTE_CAPABILITY_MAJOR = 75;
    private static final int COMPUTE_CAPABILITY_MINOR = 76;

    /**
     * Asks the driver.
     *
     * @throws EngineUnavailableException if there is no driver or no GPU
     */
    static CudaDriver query(String library) {
        try (Arena arena = Arena.ofConfined()) {
            SymbolLookup driver;
            try {
                driver = SymbolLookup.libraryLookup(library, arena);
            } catch (IllegalArgumentException e) {
                throw new EngineUnavailableException(
                        "engine nd4j-cuda needs NVIDIA's driver: its library %s is not found".formatted(library), e);
            }
            call(driver, "cuInit", 0);
            MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
            call(driver, "cuDeviceGetCount", out);
            if (out.get(ValueLayout.JAVA_INT, 0) == 0) {
                throw noDevice();
            }
            call(driver, "cuDeviceGet", out, 0);
            int device = out.get(ValueLayout.JAVA_INT, 0);
            call(driver, "cuDeviceGetAttribute", out, COMPUTE_CAPABILITY_MAJOR, device);
            int major = out.get(ValueLayout.JAVA_INT, 0);
            call(driver, "cuDeviceGetAttribute", out, COMPUTE_CAPABILITY_MINOR, device);
            int minor = out.get(ValueLayout.JAVA_INT, 0);
            MemorySegment bytes = arena.allocate(ValueLayout.JAVA_LONG);
            call(driver, "cuDeviceTotalMem_v2", bytes, device);
            return new CudaDriver(major, minor, bytes.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    /**
     * Checks that ND4J's build has code for the GPU.
     *
     * @throws EngineUnavailableException if not
     */
    void requireSupported() {
        int capability = 10 * major + minor;
        if (capability < OLDEST || capability > NEWEST) {
            throw new EngineUnavailableException(
                    ("engine nd4j-cuda needs a GPU of compute capability 3.7 to 8.6 or 8.9, for which ND4J is built:"
                                    + " this one has %d.%d")
                            .formatted(major, minor));
        }
    }

    private static EngineUnavailableException noDevice() {
        return new EngineUnavailableException("engine nd4j-cuda needs an NVIDIA GPU: the driver finds no device");
    }

    /** Calls a function that takes ints and pointers and returns a CUresult. */
    private static void call(SymbolLookup driver, String function, Object... arguments) {
        MemorySegment address = driver.find(function)
                .orElseThrow(() -> new EngineUnavailableException(
                        "engine nd4j-cuda needs NVIDIA's driver: the library found has no %s".formatted(function)));
        ValueLayout[] parameters = new ValueLayout[arguments.length];
        for (int i = 0; i < parameters.length; i++) {
            parameters[i] = arguments[i] instanceof Integer ? ValueLayout.JAVA_INT : ValueLayout.ADDRESS;
        }
        MethodHandle handle =
                Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
        int result;
        try {
            result = (int) handle.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new AssertionError("calling " + function + " failed", e);
        }
        if (result == NO_DEVICE) {
            throw noDevice();
        }
        if (result != SUCCESS) {
            throw new EngineUnavailableException(
                    "engine nd4j-cuda needs a working NVIDIA driver: %s returned CUresult %d"
                            .formatted(function, result));
        }
    }
}
