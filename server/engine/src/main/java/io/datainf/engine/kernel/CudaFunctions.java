package io.datainf.engine.kernel;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The functions of CUDA's runtime and of cuBLAS that we call, as NVIDIA's headers declare them; equal in CUDA 12 and 13. Layouts of arguments follow from these
 * declarations, so a slip shows where they are compared with the headers. Safe for any number of threads.
 */
@SuppressWarnings("restricted") // calls libraries
class CudaFunctions {

    /** Of libcudart. */
    static final List<String> RUNTIME = List.of(
            "cudaError_t cudaDriverGetVersion(int *driverVersion)",
            "cudaError_t cudaRuntimeGetVersion(int *runtimeVersion)",
            "cudaError_t cudaGetDeviceCount(int *count)",
            "cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)",
            "cudaError_t cudaSetDevice(int device)",
            "cudaError_t cudaMemGetInfo(size_t *free, size_t *total)",
            "cudaError_t cudaMalloc(void **devPtr, size_t size)",
            "cudaError_t cudaFree(void *devPtr)",
            "cudaError_t cudaHostAlloc(void **pHost, size_t size, unsigned int flags)",
            "cudaError_t cudaFreeHost(void *ptr)",
            "cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream)",
            "cudaError_t cudaMemset2DAsync(void *devPtr, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream)",
            "cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags)",
            "cudaError_t cudaStreamDestroy(cudaStream_t stream)",
            "cudaError_t cudaStreamSynchronize(cudaStream_t stream)",
            "cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)",
            "cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)",
            "cudaError_t cudaEventDestroy(cudaEvent_t event)",
            "cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)",
            "cudaError_t cudaEventSynchronize(cudaEvent_t event)",
            "const char* cudaGetErrorName(cudaError_t error)");

    /** Of libcublas. */
    static final List<String> CUBLAS = List.of(
            "cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)",
            "cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)",
            "cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version)",
            "cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t streamId)",
            "cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t workspaceSizeInBytes)",
            "cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)",
            "const char* cublasGetStatusString(cublasStatus_t status)",
            "cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,"
                    + " cublasOperation_t transb, int m, int n, int k, const void *alpha, const void *A,"
                    + " cudaDataType Atype, int lda, long long int strideA, const void *B, cudaDataType Btype, int ldb,"
                    + " long long int strideB, const void *beta, void *C, cudaDataType Ctype, int ldc,"
                    + " long long int strideC, int batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo)",
            "cublasStatus_t cublasSdgmm(cublasHandle_t handle, cublasSideMode_t mode, int m, int n, const float *A, int lda,"
                    + " const float *x, int incx, float *C, int ldc)",
            "cublasStatus_t cublasSgeam(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,"
                    + " int n, const float *alpha, const float *A, int lda, const float *beta, const float *B, int ldb,"
                    + " float *C, int ldc)");

    private static final List<String> HANDLES = List.of("cudaStream_t", "cudaEvent_t", "cublasHandle_t");

    private final Map<String, MethodHandle> handles = new HashMap<>();

    /**
     * Binds the functions of the runtime.
     *
     * @throws EngineUnavailableException if the library lacks one
     */
    CudaFunctions(SymbolLookup runtime) {
        RUNTIME.forEach(declaration -> bind(runtime, declaration));
    }

    /** Binds the functions of cuBLAS too. */
    void bindCublas(SymbolLookup cublas) {
        CUBLAS.forEach(declaration -> bind(cublas, declaration));
    }

    /** Calls a function that returns a status. Addresses on the device are given as long. */
    int call(String function, Object... arguments) {
        return (int) invoke(function, arguments);
    }

    /** Calls a function that returns a text, or null. */
    String text(String function, int code) {
        MemorySegment text = (MemorySegment) invoke(function, code);
        return text.equals(MemorySegment.NULL)
                ? "unknown"
                : text.reinterpret(256).getString(0);
    }

    private Object invoke(String function, Object... arguments) {
        MethodHandle handle = handles.get(function);
        if (handle == null) {
            throw new AssertionError(function + " is not bound");
        }
        Object[] converted = new Object[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            boolean address = handle.type().parameterType(i) == MemorySegment.class;
            converted[i] = address && arguments[i] instanceof Long at ? MemorySegment.ofAddress(at) : arguments[i];
        }
        try {
            return handle.invokeWithArguments(converted);
        } catch (Throwable e) {
            throw new AssertionError("calling %s with %s failed".formatted(function, Arrays.toString(arguments)), e);
        }
    }

    private void bind(SymbolLookup library, String declaration) {
        String function = name(declaration);
        MemorySegment address = library.find(function)
                .orElseThrow(() -> new EngineUnavailableException(
                        "engine cublas needs CUDA 12 or 13: the library found has no %s".formatted(function)));
        handles.put(function, Linker.nativeLinker().downcallHandle(address, descriptor(declaration)));
    }

    private static String name(String declaration) {
        String head = declaration.substring(0, declaration.indexOf('('));
        return head.substring(head.lastIndexOf(' ') + 1);
    }

    private static FunctionDescriptor descriptor(String declaration) {
        int open = declaration.indexOf('(');
        List<MemoryLayout> parameters = new ArrayList<>();
        for (String parameter :
                declaration.substring(open + 1, declaration.length() - 1).split(",", -1)) {
            parameters.add(layout(parameter.strip()));
        }
        MemoryLayout result = declaration.startsWith("const char*") ? ValueLayout.ADDRESS : ValueLayout.JAVA_INT;
        return FunctionDescriptor.of(result, parameters.toArray(MemoryLayout[]::new));
    }

    private static MemoryLayout layout(String parameter) {
        String type = parameter.substring(0, parameter.lastIndexOf(' ')).strip();
        if (parameter.contains("*") || HANDLES.contains(type)) {
            return ValueLayout.ADDRESS;
        }
        boolean wide = type.equals("size_t") || type.equals("long long int");
        return wide ? ValueLayout.JAVA_LONG : ValueLayout.JAVA_INT; // enums are ints
    }
}
