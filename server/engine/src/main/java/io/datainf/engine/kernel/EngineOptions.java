package io.datainf.engine.kernel;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/**
 * Which kernels compute, and with what.
 *
 * @param kind the engine
 * @param deviceMemoryBytes most memory of a GPU that stored gradients may take; if absent, {@value #DEFAULT_DEVICE_PERCENT} %
 *     of what is free when it is opened; of all it has, for {@link EngineKind#ND4J_CUDA}. Other engines ignore it
 * @param cudaLibraries folders to look for CUDA's libraries in; none: where they usually are. For {@link EngineKind#CUBLAS}
 */
public record EngineOptions(EngineKind kind, OptionalLong deviceMemoryBytes, List<Path> cudaLibraries) {

    /** The kernels that suit the machine. */
    public static final EngineOptions DEFAULT = of(EngineKind.AUTO);

    static final int DEFAULT_DEVICE_PERCENT = 70;

    public EngineOptions {
        cudaLibraries = List.copyOf(cudaLibraries);
        if (deviceMemoryBytes.isPresent() && deviceMemoryBytes.getAsLong() < 0) {
            throw new IllegalArgumentException(
                    "device-memory is %d bytes: expected at least 0".formatted(deviceMemoryBytes.getAsLong()));
        }
    }

    /** Options of an engine with its defaults. */
    public static EngineOptions of(EngineKind kind) {
        return new EngineOptions(kind, OptionalLong.empty(), List.of());
    }
}
