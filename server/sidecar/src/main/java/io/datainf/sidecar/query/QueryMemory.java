package io.datainf.sidecar.query;

/** Bounds the bytes outside the Java heap that queries hold: validation gradients and scores. Thread-safe. */
public final class QueryMemory {

    private final long maxBytes;
    // Guarded by this.
    private long usedBytes;

    QueryMemory(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Bytes held now. */
    public synchronized long usedBytes() {
        return usedBytes;
    }

    /**
     * Takes bytes.
     *
     * @throws QueryMemoryException if they do not fit
     */
    synchronized void reserve(long bytes) {
        if (bytes > maxBytes - usedBytes) {
            throw new QueryMemoryException(bytes, maxBytes);
        }
        usedBytes += bytes;
    }

    /** Takes bytes if they fit, and returns whether they do. */
    synchronized boolean tryReserve(long bytes) {
        if (bytes > maxBytes - usedBytes) {
            return false;
        }
        usedBytes += bytes;
        return true;
    }

    /** Gives bytes back. */
    synchronized void release(long bytes) {
        usedBytes -= bytes;
    }
}
