package io.datainf.engine.kernel;

/** A function of CUDA or cuBLAS that failed. Never leaves the kernels: what it was for is computed by the CPU instead. */
final class CudaException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final boolean outOfMemory;
    private final boolean lasting;

    /**
     * A failure.
     *
     * @param outOfMemory whether less memory would do
     * @param lasting whether the device takes no more work from this process
     */
    CudaException(String message, boolean outOfMemory, boolean lasting) {
        super(message);
        this.outOfMemory = outOfMemory;
        this.lasting = lasting;
    }

    boolean outOfMemory() {
        return outOfMemory;
    }

    boolean lasting() {
        return lasting;
    }
}
