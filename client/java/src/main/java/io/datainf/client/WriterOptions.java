package io.datainf.client;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.UUID;

/**
 * How a {@link SampleWriter} batches, buffers and tries again. Begin with {@link #defaults} and change what is needed.
 *
 * @param writerId identifies the writer across reconnects, 1 to 128 bytes; fresh unless a process means to go on
 *     where an earlier one stopped
 * @param batchBytes size at which a batch is sent, bytes; the server's message limit, if lower, is kept too
 * @param maxUnackedBytes most bytes of gradients in batches sent or waiting and not acked: beyond it
 *     {@link SampleWriter#add} waits. The server's own limit, if lower, is kept too
 * @param progressTimeout longest time without an ack, while there is something to ack, over all reconnects; then the
 *     writer fails. Also the longest wait for the first connection
 * @param allowDeleted whether samples that were deleted may come back; otherwise the server refuses them with
 *     FAILED_PRECONDITION, which ends the writer
 */
public record WriterOptions(
        String writerId, int batchBytes, long maxUnackedBytes, Duration progressTimeout, boolean allowDeleted) {

    private static final int DEFAULT_BATCH_BYTES = 1 << 20;
    private static final long DEFAULT_MAX_UNACKED_BYTES = 64L << 20;
    private static final Duration DEFAULT_PROGRESS_TIMEOUT = Duration.ofMinutes(5);

    public WriterOptions {
        requireNonNull(writerId, "writerId");
        if (writerId.isEmpty()) {
            throw new IllegalArgumentException("writerId is empty: expected 1 to 128 bytes");
        }
        requirePositive("batchBytes", batchBytes);
        requirePositive("maxUnackedBytes", maxUnackedBytes);
        requirePositive("progressTimeout", progressTimeout.toMillis());
    }

    /** A fresh writer id, batches of 1 MiB, 64 MiB not acked, 5 minutes of patience. */
    public static WriterOptions defaults() {
        return new WriterOptions(
                UUID.randomUUID().toString(),
                DEFAULT_BATCH_BYTES,
                DEFAULT_MAX_UNACKED_BYTES,
                DEFAULT_PROGRESS_TIMEOUT,
                false);
    }

    /** The same with another writer id. */
    public WriterOptions withWriterId(String id) {
        return new WriterOptions(id, batchBytes, maxUnackedBytes, progressTimeout, allowDeleted);
    }

    /** The same with another batch size, bytes. */
    public WriterOptions withBatchBytes(int bytes) {
        return new WriterOptions(writerId, bytes, maxUnackedBytes, progressTimeout, allowDeleted);
    }

    /** The same with another bound on bytes not acked. */
    public WriterOptions withMaxUnackedBytes(long bytes) {
        return new WriterOptions(writerId, batchBytes, bytes, progressTimeout, allowDeleted);
    }

    /** The same with another limit on the time without an ack. */
    public WriterOptions withProgressTimeout(Duration timeout) {
        return new WriterOptions(writerId, batchBytes, maxUnackedBytes, timeout, allowDeleted);
    }

    /** The same with deleted samples allowed, or not, to come back. */
    public WriterOptions withAllowDeleted(boolean allow) {
        return new WriterOptions(writerId, batchBytes, maxUnackedBytes, progressTimeout, allow);
    }

    private static void requirePositive(String name, long value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " is " + value + ": expected at least 1");
        }
    }
}
