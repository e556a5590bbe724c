package io.datainf.engine.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/*
 * The driver is asked through the runtime library, which is small, before cuBLAS is opened, which is not. Without a driver the runtime says version 0 and no error; with one that is too old,
 * its version; without a device, error 100.
 */
/**
 * CUDA's libraries of one version.
 *
 * @param major version of CUDA, 12 or 13
 * @param runtime libcudart
 * @param cublasLt libcublasLt, which libcublas needs and finds only if it is open
 * @param cublas libcublas
 */
@SuppressWarnings("restricted") // opens libraries
record CudaLibraries(int major, Path runtime, Path cublasLt, Path cublas) {

    // Versions whose functions we bind, the best first, and the oldest GPUs that they have machine code for.
    private static final List<Integer> MAJORS = List.of(13, 12);
    private static final Map<Integer, Integer> OLDEST_CAPABILITY = Map.of(13, 75, 12, 50);

    private static final int NO_DEVICE = 100;
    private static final int CAPABILITY_MAJOR = 75;
    private static final int CAPABILITY_MINOR = 76;

    /**
     * Opens the best libraries that the driver can work with.
     *
     * @param given folders to look in; if there are none, those where they usually are
     * @throws EngineUnavailableException if libraries, driver or GPU are missing or do not fit
     */
    static CudaFunctions open(List<Path> given) {
        List<Path> folders = given.isEmpty() ? usualFolders(System.getenv()) : given;
        EngineUnavailableException refusal = null;
        for (CudaLibraries libraries : find(folders)) {
            try {
                return libraries.open();
            } catch (EngineUnavailableException e) {
                refusal = e; // an older version may do
            }
        }
        throw refusal != null ? refusal : notFound(folders);
    }

    /** The complete sets of libraries in some folders, the newest first. */
    static List<CudaLibraries> find(List<Path> folders) {
        List<Path> all = folders.stream()
                .flatMap(folder -> withUsualParts(folder).stream())
                .toList();
        List<CudaLibraries> found = new ArrayList<>();
        for (int major : MAJORS) {
            Optional<Path> runtime = find(all, "libcudart.so." + major);
            Optional<Path> cublasLt = find(all, "libcublasLt.so." + major);
            Optional<Path> cublas = find(all, "libcublas.so." + major);
            if (runtime.isPresent() && cublasLt.isPresent() && cublas.isPresent()) {
                found.add(new CudaLibraries(major, runtime.get(), cublasLt.get(), cublas.get()));
            }
        }
        return found;
    }

    private static Optional<Path> find(List<Path> folders, String name) {
        return folders.stream()
                .map(folder -> folder.resolve(name))
                .filter(Files::exists)
                .findFirst();
    }

    /** Python environments, the toolkit, the system, the image. */
    static List<Path> usualFolders(Map<String, String> environment) {
        List<Path> folders = new ArrayList<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            String home = environment.get(variable);
            if (home != null && !home.isEmpty()) {
                list(Path.of(home, "lib"), "python3*")
                        .forEach(python -> folders.add(python.resolve("site-packages/nvidia")));
            }
        }
        folders.add(Path.of("/opt/datainf/cuda"));
        folders.add(Path.of("/usr/local/cuda"));
        folders.addAll(list(Path.of("/usr/local"), "cuda-1[23]*"));
        folders.add(Path.of("/usr/lib/%s-linux-gnu".formatted(machine())));
        return folders;
    }

    private static String machine() {
        String name = System.getProperty("os.arch");
        return name.equals("amd64") ? "x86_64" : name;
    }

    /** A folder and where libraries lie in it: in toolkits, and in what NVIDIA's Python packages make of {@code site-packages/nvidia}. */
    private static Set<Path> withUsualParts(Path folder) {
        Set<Path> folders = new LinkedHashSet<>();
        for (String part : List.of("", "lib64", "lib", "cu13/lib", "cublas/lib", "cuda_runtime/lib")) {
            folders.add(folder.resolve(part));
        }
        return folders;
    }

    private static List<Path> list(Path folder, String pattern) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, pattern)) {
            entries.forEach(found::add);
        } catch (IOException | UncheckedIOException e) {
            return List.of(); // whoever may not look there finds nothing there
        }
        found.sort(null);
        return found;
    }

    private static EngineUnavailableException notFound(List<Path> folders) {
        return new EngineUnavailableException(
                ("engine cublas needs libcudart, libcublas and libcublasLt of CUDA 12 or 13: they are not all in %s;"
                                + " say --cuda-libs, for example the folder site-packages/nvidia of the trainer's PyTorch")
                        .formatted(folders));
    }

    private CudaFunctions open() {
        CudaFunctions functions = new CudaFunctions(lookup(runtime));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_INT);
            require(functions, "cudaDriverGetVersion", functions.call("cudaDriverGetVersion", out));
            requireDriver(out.get(ValueLayout.JAVA_INT, 0));
            int code = functions.call("cudaGetDeviceCount", out);
            if (code == NO_DEVICE || (code == 0 && out.get(ValueLayout.JAVA_INT, 0) == 0)) {
                throw new EngineUnavailableException("engine cublas needs an NVIDIA GPU: the driver finds no device");
            }
            require(functions, "cudaGetDeviceCount", code);
            requireCapability(attribute(functions, out, CAPABILITY_MAJOR), attribute(functions, out, CAPABILITY_MINOR));
        }
        SymbolLookup ignored = lookup(cublasLt);
        functions.bindCublas(lookup(cublas));
        return functions;
    }

    private void requireDriver(int version) {
        if (version == 0) {
            throw new EngineUnavailableException(
                    "engine cublas needs NVIDIA's driver: there is none; a container has it only if it is started with the GPU");
        }
        if (version / 1000 < major) {
            throw new EngineUnavailableException(
                    "engine cublas needs a newer driver for the libraries of CUDA %d in %s: this one is for CUDA %d.%d"
                            .formatted(major, runtime.getParent(), version / 1000, version % 1000 / 10));
        }
    }

    private void requireCapability(int capabilityMajor, int capabilityMinor) {
        int oldest = OLDEST_CAPABILITY.getOrDefault(major, 0);
        if (10 * capabilityMajor + capabilityMinor < oldest) {
            throw new EngineUnavailableException(
                    "engine cublas needs a GPU of compute capability %d.%d or newer for CUDA %d: this one has %d.%d"
                            .formatted(oldest / 10, oldest % 10, major, capabilityMajor, capabilityMinor));
        }
    }

    private static int attribute(CudaFunctions functions, MemorySegment out, int attribute) {
        require(functions, "cudaDeviceGetAttribute", functions.call("cudaDeviceGetAttribute", out, attribute, 0));
        return out.get(ValueLayout.JAVA_INT, 0);
    }

    private static void require(CudaFunctions functions, String function, int code) {
        if (code != 0) {
            throw new EngineUnavailableException("engine cublas needs a working NVIDIA driver: %s returned %s (%d)"
                    .formatted(function, functions.text("cudaGetErrorName", code), code));
        }
    }

    /** Opens a library for good: what it has set up does not end before the process does. */
    private static SymbolLookup lookup(Path library) {
        try {
            return SymbolLookup.libraryLookup(library.toAbsolutePath(), Arena.global());
        } catch (IllegalArgumentException e) {
            throw new EngineUnavailableException(
                    "engine cublas needs %s, which does not load: it is damaged, for another machine, or lacks another library"
                            .formatted(library),
                    e);
        }
    }
}
