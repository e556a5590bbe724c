package io.datainf.engine.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * A CUDA device that is none: libraries of ours (src/test/native/simulated_cuda.c) that compute on the CPU and see what a real device lets pass. One for the process; not for tests at the same
 * time.
 */
@SuppressWarnings("restricted") // calls a library
public final class SimulatedCuda {

    /** The folder of the libraries, as {@code --cuda-libs} has it. */
    public static final Path FOLDER = Path.of("target", "simulated-cuda");

    private static final Path SOURCE = Path.of("src", "test", "native", "simulated_cuda.c");
    private static final List<String> NAMES = List.of("libcudart.so.12", "libcublasLt.so.12", "libcublas.so.12");
    private static final boolean PRESENT = build();

    private static final SymbolLookup CONTROL = PRESENT
            ? SymbolLookup.libraryLookup(FOLDER.resolve(NAMES.getFirst()).toAbsolutePath(), Arena.global())
            : SymbolLookup.loaderLookup();

    private SimulatedCuda() {}

    /** Whether this machine has a C compiler. */
    public static boolean present() {
        return PRESENT;
    }

    /** A device as new, with this much memory; lazy: streams work only when somebody waits for them. */
    public static void reset(long memoryBytes, boolean lazy) {
        call("sim_reset");
        call("sim_set_memory", memoryBytes);
        call("sim_set_lazy", lazy ? 1 : 0);
    }

    /** Options of the engine for this device. */
    public static EngineOptions options(long rowBytes) {
        return new EngineOptions(EngineKind.CUBLAS, OptionalLong.of(rowBytes), List.of(FOLDER));
    }

    /** The same kernels, for whose calls streams work lazily or eagerly. */
    static GradientKernels inMode(GradientKernels kernels, boolean lazy) {
        return (GradientKernels) Proxy.newProxyInstance(
                SimulatedCuda.class.getClassLoader(),
                new Class<?>[] {GradientKernels.class},
                (self, method, arguments) -> {
                    call("sim_set_lazy", lazy ? 1 : 0);
                    return method.invoke(kernels, arguments);
                });
    }

    static void call(String function, Object... arguments) {
        Object ignored = invoke(function, ValueLayout.JAVA_INT, arguments);
    }

    static long number(String function, Object... arguments) {
        return (long) invoke(function, ValueLayout.JAVA_LONG, arguments);
    }

    static int integer(String function, Object... arguments) {
        return (int) invoke(function, ValueLayout.JAVA_INT, arguments);
    }

    static String text(String function, Object... arguments) {
        MemorySegment text = (MemorySegment) invoke(function, ValueLayout.ADDRESS, arguments);
        return text.reinterpret(1 << 16).getString(0);
    }

    /** What was done that a real device need not forgive. */
    public static List<String> broken() {
        List<String> found = new ArrayList<>();
        int count = integer("sim_violations");
        for (int i = 0; i < Math.min(count, 20); i++) {
            found.add(text("sim_violation", i));
        }
        return found;
    }

    private static Object invoke(String function, MemoryLayout result, Object... arguments) {
        MemoryLayout[] layouts = new MemoryLayout[arguments.length];
        try (Arena arena = Arena.ofConfined()) {
            Object[] converted = arguments.clone();
            for (int i = 0; i < arguments.length; i++) {
                layouts[i] = switch (arguments[i]) {
                    case Integer value -> ValueLayout.JAVA_INT;
                    case Long value -> ValueLayout.JAVA_LONG;
                    default -> ValueLayout.ADDRESS;
                };
                if (arguments[i] instanceof String text) {
                    converted[i] = arena.allocateFrom(text);
                }
            }
            return Linker.nativeLinker()
                    .downcallHandle(CONTROL.find(function).orElseThrow(), FunctionDescriptor.of(result, layouts))
                    .invokeWithArguments(converted);
        } catch (Throwable e) {
            throw new AssertionError(function, e);
        }
    }

    private static boolean build() {
        try {
            Files.createDirectories(FOLDER);
            Path library = FOLDER.resolve(NAMES.getFirst());
            List<String> command = List.of(
                    "cc",
                    "-std=c11",
                    "-O2",
                    "-g",
                    "-Wall",
                    "-Wextra",
                    "-Werror",
                    "-shared",
                    "-fPIC",
                    "-DSIM_NO_HEADERS",
                    "-DSIM_CUDA_MAJOR=12",
                    "-o",
                    library.toString(),
                    SOURCE.toString(),
                    "-lpthread",
                    "-lm");
            Process compiler = new ProcessBuilder(command).inheritIO().start();
            if (compiler.waitFor() != 0) {
                throw new AssertionError("the simulated device does not compile: " + command);
            }
            for (String name : NAMES.subList(1, NAMES.size())) {
                Path link = FOLDER.resolve(name);
                Files.deleteIfExists(link);
                Files.createSymbolicLink(link, library.getFileName());
            }
            return true;
        } catch (IOException e) {
            if (String.valueOf(e.getMessage()).contains("Cannot run program")) {
                System.err.println("no C compiler: tests on the simulated CUDA device are skipped");
                return false;
            }
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
