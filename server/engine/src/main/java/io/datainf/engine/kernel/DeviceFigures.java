package io.datainf.engine.kernel;

/**
 * What kernels on a device have done and hold: for metrics.
 *
 * @param usedBytes memory of the device that is taken, by whomever
 * @param totalBytes memory that it has
 * @param rowBytes memory that rows take
 * @param uploadedBytes bytes of rows copied to it since the start
 * @param transferredBytes bytes that went to the device and back since the start, rows, columns and results
 * @param kernelNanos time in which it computed or copied for queries, since the start
 * @param hostPieceCount pieces of tiles that the CPU computed instead, since the start
 * @param errorCount calls that failed since the start
 * @param working whether it takes work; once it does not, the CPU computes until the server is started again
 * @param lastError the last failure; "" if there was none
 */
public record DeviceFigures(
        long usedBytes,
        long totalBytes,
        long rowBytes,
        long uploadedBytes,
        long transferredBytes,
        long kernelNanos,
        long hostPieceCount,
        long errorCount,
        boolean working,
        String lastError) {}
