package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What NVIDIA's headers and libraries say, which src/test/native/headers fetches: {@code -Dcuda.headers=DIR}. Skipped without. */
class CudaHeadersTest {

    // Enough for the runtime to learn a version and that there is no device.
    private static final String STAND_IN = """
            int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
            int cuInit(unsigned flags) { (void) flags; return 100; }
            int cuDeviceGetCount(int *count) { *count = 0; return 100; }
            int cuGetProcAddress_v2(const char *name, void **f, int v, unsigned long flags, int *status) {
                extern void *dlsym(void *, const char *);
                (void) v; (void) flags;
                *f = dlsym((void *) 0, name);
                if (status) *status = *f ? 0 : 1;
                return 0;
            }
            int cuGetProcAddress(const char *name, void **f, int v, unsigned long flags) {
                return cuGetProcAddress_v2(name, f, v, flags, (int *) 0);
            }
            """;

    private static final String FOLDER = System.getProperty("cuda.headers", "");

    @ParameterizedTest
    @ValueSource(ints = {12, 13})
    void declarations_areThoseOfTheHeaders(int major) throws IOException {
        assumeThat(FOLDER).describedAs("cuda.headers").isNotEmpty();
        String runtime = header(major, "cuda_runtime_api.h");
        String cublas = header(major, "cublas_api.h") + header(major, "cublas_v2.h");
        CudaFunctions.RUNTIME.forEach(declaration -> assertDeclared(declaration, runtime));
        CudaFunctions.CUBLAS.forEach(declaration -> assertDeclared(declaration, cublas));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13})
    void constants_areThoseOfTheHeaders(int major) throws IOException {
        assumeThat(FOLDER).describedAs("cuda.headers").isNotEmpty();
        String all = header(major, "driver_types.h") + header(major, "library_types.h") + header(major, "cublas_api.h");
        for (String constant : List.of(
                "cudaMemcpyHostToDevice = 1",
                "cudaMemcpyDeviceToHost = 2",
                "cudaErrorInvalidValue = 1",
                "cudaErrorMemoryAllocation = 2",
                "cudaErrorInsufficientDriver = 35",
                "cudaErrorNoDevice = 100",
                "cudaDevAttrComputeCapabilityMajor = 75",
                "cudaDevAttrComputeCapabilityMinor = 76",
                "CUDA_R_32F = 0",
                "CUDA_R_16BF = 14",
                "CUBLAS_OP_N = 0",
                "CUBLAS_OP_T = 1",
                "CUBLAS_SIDE_RIGHT = 1",
                "CUBLAS_GEMM_DEFAULT = -1",
                "CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16",
                "CUBLAS_COMPUTE_32F = 68",
                "CUBLAS_STATUS_ALLOC_FAILED = 3",
                "CUBLAS_STATUS_INVALID_VALUE = 7",
                "CUBLAS_STATUS_NOT_SUPPORTED = 15")) {
            assertThat(all).contains(constant);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13})
    void simulatedDevice_hasTheSignaturesOfTheHeaders(int major) throws Exception {
        assumeThat(FOLDER).describedAs("cuda.headers").isNotEmpty();
        assumeThat(SimulatedCuda.present()).isTrue();
        String warnings = run(
                List.of(
                        "cc",
                        "-std=c11",
                        "-fsyntax-only",
                        "-Wall",
                        "-Wextra",
                        "-Werror",
                        "-DSIM_CUDA_MAJOR=" + major,
                        "-I" + Path.of(FOLDER, String.valueOf(major)),
                        "src/test/native/simulated_cuda.c"),
                Path.of("target"));
        assertThat(warnings).isEmpty();
    }

    /** The runtime library as it is, on a machine without a driver, and with drivers that are stand-ins for one that is too old and one without a device. */
    @ParameterizedTest
    @ValueSource(ints = {12, 13})
    void realRuntime_saysWhatIsMissing(int major) throws Exception {
        assumeThat(FOLDER).describedAs("cuda.headers").isNotEmpty();
        assumeThat(SimulatedCuda.present()).isTrue();
        Path driver = Files.createDirectories(Path.of("target", "stand-in-driver"));
        assertThat(refusal(List.of(major), "", driver)).contains("needs NVIDIA's driver: there is none");
        assertThat(refusal(List.of(major), "11040", driver))
                .contains("needs a newer driver for the libraries of CUDA " + major, "this one is for CUDA 11.4");
        assertThat(refusal(List.of(major), major + "090", driver)).contains("the driver finds no device");
        assertThat(CudaLibraries.find(List.of(driver))).isEmpty();
    }

    @Test
    void bothVersions_areTriedNewestFirst_andTheOneThatFitsTheDriverIsTaken() throws Exception {
        assumeThat(FOLDER).describedAs("cuda.headers").isNotEmpty();
        assumeThat(SimulatedCuda.present()).isTrue();
        Path driver = Files.createDirectories(Path.of("target", "stand-in-driver-of-12"));
        assertThat(refusal(List.of(12, 13), "12090", driver)).contains("the driver finds no device");
        assertThat(refusal(List.of(12, 13), "11040", driver)).contains("for the libraries of CUDA 12");
    }

    /** Opens the libraries in a process of its own, which finds a stand-in for libcuda of that version. */
    private static String refusal(List<Integer> majors, String version, Path folder) throws Exception {
        Path library = folder.resolve("libcuda.so.1");
        Files.deleteIfExists(library);
        if (!version.isEmpty()) {
            Path source = folder.resolve("libcuda.c");
            Files.writeString(source, STAND_IN.replace("VERSION", version));
            run(List.of("cc", "-shared", "-fPIC", "-o", library.toString(), source.toString()), folder);
        }
        Path libraries = Files.createDirectories(folder.resolve("cuda" + majors));
        for (int major : majors) {
            for (String name : List.of("libcublas.so.", "libcublasLt.so.")) {
                Files.writeString(libraries.resolve(name + major), "not opened before a device is found");
            }
            Path runtime = libraries.resolve("libcudart.so." + major);
            Files.deleteIfExists(runtime);
            Files.createSymbolicLink(
                    runtime,
                    Path.of(FOLDER, String.valueOf(major), "lib", "libcudart.so." + major)
                            .toAbsolutePath());
        }
        return run(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        CudaHeadersTest.class.getName(),
                        libraries.toString()),
                folder);
    }

    /** Says why the libraries in a folder cannot be used. */
    public static void main(String[] arguments) {
        try {
            CudaFunctions ignored = CudaLibraries.open(List.of(Path.of(arguments[0])));
            System.out.println("opened");
        } catch (EngineUnavailableException e) {
            System.out.println(e.getMessage());
        }
    }

    private static String run(List<String> command, Path libraries) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("LD_LIBRARY_PATH", libraries.toAbsolutePath().toString());
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).describedAs(output).isZero();
        return output;
    }

    private static String header(int major, String name) throws IOException {
        return Files.readString(Path.of(FOLDER, String.valueOf(major), name), StandardCharsets.ISO_8859_1)
                .replaceAll("(?s)/\\*.*?\\*/", " ")
                .replaceAll("__dv\\([^)]*\\)", " ")
                .replaceAll("\\s+", " ");
    }

    private static void assertDeclared(String declaration, String header) {
        int open = declaration.indexOf('(');
        String head = declaration.substring(0, open);
        String name = head.substring(head.lastIndexOf(' ') + 1);
        Matcher found = Pattern.compile("([\\w*]+(?: ?\\*)?) ?(?:CUDARTAPI|CUBLASWINAPI) " + name + " ?\\(([^)]*)\\)")
                .matcher(header);
        List<String> declared = new ArrayList<>();
        while (found.find()) {
            declared.add(plain(found.group(1) + "(" + found.group(2) + ")"));
        }
        String ours = plain(head.substring(0, head.lastIndexOf(' ')) + declaration.substring(open));
        assertThat(declared).describedAs(name).anyMatch(each -> ours.endsWith(each));
    }

    private static String plain(String declaration) {
        return declaration
                .replaceAll(" ?\\* ?", "*")
                .replaceAll(" ?([(),]) ?", "$1")
                .strip();
    }
}
