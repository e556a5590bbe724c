package io.datainf.sidecar.ingest;

/** The gradients of a batch are not those that the writer sent. */
public final class ChecksumMismatchException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    ChecksumMismatchException(long batchSeq, int announced, int computed) {
        super("batch %d announces crc32c %#010x: its gradients have %#010x".formatted(batchSeq, announced, computed));
    }
}
