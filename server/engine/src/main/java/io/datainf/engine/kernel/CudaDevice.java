package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/*
 * Two streams: one copies rows to the device, one computes. Codes are those of driver_types.h and cublas_api.h.
 */
/**
 * The first NVIDIA GPU, through CUDA's runtime and cuBLAS. Addresses on the device are longs, positions in elements are the caller's business. One thread at a time:
 * the one that holds {@link #lock()}.
 */
final class CudaDevice implements AutoCloseable {

    // What cuBLAS may use beside; its own, so that the order of its sums does not depend on what else is allocated.
    private static final long WORKSPACE_BYTES = 32L << 20;

    private static final int HOST_TO_DEVICE = 1;
    private static final int DEVICE_TO_HOST = 2;
    private static final int NON_BLOCKING = 1;
    private static final int DISABLE_TIMING = 2;
    private static final int R_32F = 0;
    private static final int R_16BF = 14;
    private static final int COMPUTE_32F = 68;
    private static final int DISALLOW_REDUCED_PRECISION_REDUCTION = 16;
    private static final int DEFAULT_ALGORITHM = -1;
    private static final int SIDE_RIGHT = 1;
    private static final int OUT_OF_MEMORY = 2;
    private static final int CUBLAS_ALLOC_FAILED = 3;
    private static final int CUBLAS_NOT_SUPPORTED = 15;
    // Codes of calls that did nothing and leave the device as it was; after any other nothing can be relied on.
    private static final Set<Integer> HARMLESS = Set.of(1, OUT_OF_MEMORY);
    private static final Set<Integer> CUBLAS_HARMLESS = Set.of(CUBLAS_ALLOC_FAILED, 7, CUBLAS_NOT_SUPPORTED);

    /** Element types of matrices. */
    enum DataType {
        F32(R_32F),
        BF16(R_16BF);

        private final int code;

        DataType(int code) {
            this.code = code;
        }
    }

    /** A matrix, column-major; in a batch, the first of several {@code stride} elements apart. */
    record Matrix(long address, DataType type, int leadingDimension, long stride) {}

    private final CudaFunctions functions;
    private final ReentrantLock lock = new ReentrantLock();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG, 2);
    private final MemorySegment zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0f);
    private final MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
    private final MemorySegment minusOne = arena.allocateFrom(ValueLayout.JAVA_FLOAT, -1f);
    private final AtomicLong transferredBytes = new AtomicLong();
    private final Opened opened;

    /** What has to be given back, in the order of its making; 0: not made. */
    private static final class Opened {
        long computeStream;
        long copyStream;
        long cublas;
        long workspace;
        long copied;
    }

    /**
     * Takes the device that {@link CudaLibraries} has found fit.
     *
     * @throws CudaException if it has no memory for the least that is needed
     */
    CudaDevice(CudaFunctions functions) {
        this.functions = functions;
        this.opened = new Opened();
        try {
            runtime("cudaSetDevice", 0);
            opened.computeStream = made("cudaStreamCreateWithFlags", NON_BLOCKING);
            opened.copyStream = made("cudaStreamCreateWithFlags", NON_BLOCKING);
            opened.copied = made("cudaEventCreateWithFlags", DISABLE_TIMING);
            cublas("cublasCreate_v2", out);
            opened.cublas = out.get(ValueLayout.JAVA_LONG, 0);
            cublas("cublasSetStream_v2", opened.cublas, opened.computeStream);
            opened.workspace = allocate(WORKSPACE_BYTES);
            cublas("cublasSetWorkspace_v2", opened.cublas, opened.workspace, WORKSPACE_BYTES);
            cublas("cublasSetMathMode", opened.cublas, DISALLOW_REDUCED_PRECISION_REDUCTION);
        } catch (CudaException e) {
            close();
            throw e;
        }
    }

    ReentrantLock lock() {
        return lock;
    }

    /** Version of cuBLAS, e.g. 120901. */
    int cublasVersion() {
        cublas("cublasGetVersion_v2", opened.cublas, out);
        return out.get(ValueLayout.JAVA_INT, 0);
    }

    /** Memory of the device, bytes. */
    record Memory(long freeBytes, long totalBytes) {}

    Memory memory() {
        runtime("cudaMemGetInfo", out, out.asSlice(Long.BYTES));
        return new Memory(out.getAtIndex(ValueLayout.JAVA_LONG, 0), out.getAtIndex(ValueLayout.JAVA_LONG, 1));
    }

    long allocate(long bytes) {
        return made("cudaMalloc", bytes);
    }

    /** Gives memory back, once the work that was begun has ended. */
    void free(long address) {
        runtime("cudaFree", address);
    }

    /** Allocates memory of the host that the device can reach. The caller gives it back by {@link #freePinned}. */
    @SuppressWarnings("restricted") // an address from CUDA
    MemorySegment allocatePinned(long bytes) {
        return MemorySegment.ofAddress(made("cudaHostAlloc", bytes, 0)).reinterpret(bytes);
    }

    void freePinned(MemorySegment memory) {
        runtime("cudaFreeHost", memory);
    }

    long newEvent() {
        return made("cudaEventCreateWithFlags", DISABLE_TIMING);
    }

    /** Gives memory back at the end, whatever the device says to that; so do the other two. */
    void discard(long address) {
        giveBack("cudaFree", address);
    }

    void discardPinned(MemorySegment memory) {
        giveBack("cudaFreeHost", memory.address());
    }

    void discardEvent(long event) {
        giveBack("cudaEventDestroy", event);
    }

    /** Copies rows to the device, while it may compute. */
    void copyRows(MemorySegment pinned, long target) {
        copy(target, pinned, pinned.byteSize(), HOST_TO_DEVICE, opened.copyStream);
    }

    /** Makes {@code event} happen when the rows copied so far have arrived. */
    void markCopied(long event) {
        runtime("cudaEventRecord", event, opened.copyStream);
    }

    /** Waits for an event. */
    void await(long event) {
        runtime("cudaEventSynchronize", event);
    }

    /** Makes what is computed from now on wait for the rows copied so far. */
    void computeAfterCopies() {
        runtime("cudaEventRecord", opened.copied, opened.copyStream);
        runtime("cudaStreamWaitEvent", opened.computeStream, opened.copied, 0);
    }

    /** Copies to the device in the order of the computation. */
    void write(MemorySegment pinned, long target) {
        copy(target, pinned, pinned.byteSize(), HOST_TO_DEVICE, opened.computeStream);
    }

    /** Copies from the device in the order of the computation. */
    void read(long source, MemorySegment pinned) {
        copy(pinned, source, pinned.byteSize(), DEVICE_TO_HOST, opened.computeStream);
    }

    private void copy(Object target, Object source, long bytes, int direction, long stream) {
        runtime("cudaMemcpyAsync", target, source, bytes, direction, stream);
        transferredBytes.addAndGet(bytes);
    }

    /** Bytes copied to the device and back so far. */
    long transferredBytes() {
        return transferredBytes.get();
    }

    /** Waits for the computation. */
    void synchronize() {
        runtime("cudaStreamSynchronize", opened.computeStream);
    }

    /** Sets bytes to 0. */
    void clear(long address, long bytes) {
        runtime("cudaMemset2DAsync", address, bytes, 0, bytes, 1L, opened.computeStream);
    }

    /** Clears the lower half of each of {@code count} numbers of float32, which leaves their values cut off to bfloat16. */
    void clearLowerHalves(long address, long count) {
        runtime("cudaMemset2DAsync", address, 4L, 0, 2L, count, opened.computeStream);
    }

    /** C = A' B for each of a batch; A is [k, m], B [k, n], C [m, n]. */
    void multiplyTransposed(Matrix a, Matrix b, Matrix c, int m, int n, int k, int batch) {
        multiply(1, 0, a, b, zero, c, m, n, k, batch);
    }

    /**
     * C = A B' or C += A B' for each of a batch; A is [m, k], B [n, k], C [m, n].
     *
     * @param fromZero whether what C held does not count
     */
    void multiplyByTransposed(Matrix a, Matrix b, Matrix c, int m, int n, int k, int batch, boolean fromZero) {
        multiply(0, 1, a, b, fromZero ? zero : one, c, m, n, k, batch);
    }

    private void multiply(
            int opA, int opB, Matrix a, Matrix b, MemorySegment beta, Matrix c, int m, int n, int k, int batch) {
        cublas(
                "cublasGemmStridedBatchedEx",
                opened.cublas,
                opA,
                opB,
                m,
                n,
                k,
                one,
                a.address,
                a.type.code,
                a.leadingDimension,
                a.stride,
                b.address,
                b.type.code,
                b.leadingDimension,
                b.stride,
                beta,
                c.address,
                c.type.code,
                c.leadingDimension,
                c.stride,
                batch,
                COMPUTE_32F,
                DEFAULT_ALGORITHM);
    }

    /** C = A diag(x); A and C are [m, n] of float32, x is [n]. */
    void scaleColumns(Matrix a, long x, Matrix c, int m, int n) {
        cublas(
                "cublasSdgmm",
                opened.cublas,
                SIDE_RIGHT,
                m,
                n,
                a.address,
                a.leadingDimension,
                x,
                1,
                c.address,
                c.leadingDimension);
    }

    /** C = A + B, [m, n] of float32. */
    void add(Matrix a, Matrix b, Matrix c, int m, int n) {
        combine(a, one, b, c, m, n);
    }

    /** C = A - B, [m, n] of float32. */
    void subtract(Matrix a, Matrix b, Matrix c, int m, int n) {
        combine(a, minusOne, b, c, m, n);
    }

    /** C = A, [m, n] of float32. */
    void copy(Matrix a, Matrix c, int m, int n) {
        combine(a, zero, a, c, m, n);
    }

    private void combine(Matrix a, MemorySegment beta, Matrix b, Matrix c, int m, int n) {
        cublas(
                "cublasSgeam",
                opened.cublas,
                0,
                0,
                m,
                n,
                one,
                a.address,
                a.leadingDimension,
                beta,
                b.address,
                b.leadingDimension,
                c.address,
                c.leadingDimension);
    }

    /** Calls a function whose first argument is where it puts what it made. */
    private long made(String function, Object... arguments) {
        Object[] all = new Object[arguments.length + 1];
        all[0] = out;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        runtime(function, all);
        return out.get(ValueLayout.JAVA_LONG, 0);
    }

    private void runtime(String function, Object... arguments) {
        int code = functions.call(function, arguments);
        if (code != 0) {
            throw new CudaException(
                    "%s: %s (%d)".formatted(function, functions.text("cudaGetErrorName", code), code),
                    code == OUT_OF_MEMORY,
                    !HARMLESS.contains(code));
        }
    }

    private void cublas(String function, Object... arguments) {
        int code = functions.call(function, arguments);
        if (code != 0) {
            throw new CudaException(
                    "%s: %s (%d)".formatted(function, functions.text("cublasGetStatusString", code), code),
                    code == CUBLAS_ALLOC_FAILED,
                    !CUBLAS_HARMLESS.contains(code));
        }
    }

    /** Gives everything back, as far as the device lets it. */
    @Override
    public void close() {
        giveBack("cublasDestroy_v2", opened.cublas);
        giveBack("cudaFree", opened.workspace);
        giveBack("cudaEventDestroy", opened.copied);
        giveBack("cudaStreamDestroy", opened.copyStream);
        giveBack("cudaStreamDestroy", opened.computeStream);
        arena.close();
    }

    private void giveBack(String function, long what) {
        if (what != 0) {
            int ignored = functions.call(function, what);
        }
    }
}
