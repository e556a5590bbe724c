package io.datainf.client;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * How a {@link SampleWriter} batches, buffers and tries again. Begin with {@link #defaults} and change what is needed.
 *
 * @param writerId identifies the writer across reconnects, 1 to 128 bytes; fresh unless a process means to go on
 *     where an earlier one stopped. Of two writers with one id, the older ends with ABORTED
 * @param elementType encoding of the gradients on the wire; the run's own encoding is another matter
 * @param policy what {@link SampleWriter#add} does when the buffer is full
 * @param batchBytes largest message to send, bytes; the server's message limit, if lower, is kept too. A larger sample travels in
 *     fragments
 * @param maxUnackedBytes most memory for gradients that are taken and not acked, bytes; but always one batch, or under
 *     {@link BufferPolicy#DROP} and {@link BufferPolicy#RAISE} one call, alone
 * @param blockTimeout longest wait of {@link SampleWriter#add} under {@link BufferPolicy#BLOCK}
 * @param progressTimeout how long to try again since the last progress, the first connection included, and how long to wait for a
 *     server that does not answer; then the writer fails
 * @param closeTimeout longest wait of {@link SampleWriter#close()} for the last acks
 * @param allowDeleted whether samples that were deleted may come back; otherwise the server refuses them with
 *     FAILED_PRECONDITION, which ends the writer
 */
public record WriterOptions(
        String writerId,
        ElementType elementType,
        BufferPolicy policy,
        int batchBytes,
        long maxUnackedBytes,
        Duration blockTimeout,
        Duration progressTimeout,
        Duration closeTimeout,
        boolean allowDeleted) {

    static final Duration LONGEST = Duration.ofDays(365);

    private static final int MIN_BATCH_BYTES = 128;
    private static final int DEFAULT_BATCH_BYTES = 2 << 20;
    private static final long DEFAULT_MAX_UNACKED_BYTES = 64L << 20;
    private static final Duration DEFAULT_BLOCK_TIMEOUT = Duration.ofMinutes(10);
    private static final Duration DEFAULT_PROGRESS_TIMEOUT = Duration.ofMinutes(5);
    private static final Duration DEFAULT_CLOSE_TIMEOUT = Duration.ofMinutes(10);

    public WriterOptions {
        requireNonNull(writerId, "writerId");
        requireNonNull(elementType, "elementType");
        requireNonNull(policy, "policy");
        if (writerId.isEmpty()) {
            throw new IllegalArgumentException("writerId is empty: expected 1 to 128 bytes");
        }
        requireAtLeast("batchBytes", batchBytes, MIN_BATCH_BYTES);
        requireAtLeast("maxUnackedBytes", maxUnackedBytes, 1);
        requirePositive("blockTimeout", blockTimeout);
        requirePositive("progressTimeout", progressTimeout);
        requirePositive("closeTimeout", closeTimeout);
    }

    /**
     * A fresh writer id, float32, a full buffer blocks for at most 10 minutes, messages of 2 MiB, 64 MiB not acked, 5 minutes
     * without progress, 10 minutes to close.
     */
    public static WriterOptions defaults() {
        return new WriterOptions(
                UUID.randomUUID().toString(),
                ElementType.F32,
                BufferPolicy.BLOCK,
                DEFAULT_BATCH_BYTES,
                DEFAULT_MAX_UNACKED_BYTES,
                DEFAULT_BLOCK_TIMEOUT,
                DEFAULT_PROGRESS_TIMEOUT,
                DEFAULT_CLOSE_TIMEOUT,
                false);
    }

    /** The same with another writer id. */
    public WriterOptions withWriterId(String id) {
        return with(fields -> fields.writerId = id);
    }

    /** The same with gradients in another encoding. */
    public WriterOptions withElementType(ElementType type) {
        return with(fields -> fields.elementType = type);
    }

    /** The same with another policy for a full buffer. */
    public WriterOptions withPolicy(BufferPolicy newPolicy) {
        return with(fields -> fields.policy = newPolicy);
    }

    /** The same with another batch size, bytes. */
    public WriterOptions withBatchBytes(int bytes) {
        return with(fields -> fields.batchBytes = bytes);
    }

    /** The same with another bound on bytes not acked. */
    public WriterOptions withMaxUnackedBytes(long bytes) {
        return with(fields -> fields.maxUnackedBytes = bytes);
    }

    /** The same with another limit on the wait for room. */
    public WriterOptions withBlockTimeout(Duration timeout) {
        return with(fields -> fields.blockTimeout = timeout);
    }

    /** The same with another limit on the time without progress. */
    public WriterOptions withProgressTimeout(Duration timeout) {
        return with(fields -> fields.progressTimeout = timeout);
    }

    /** The same with another limit on the wait of {@link SampleWriter#close()}. */
    public WriterOptions withCloseTimeout(Duration timeout) {
        return with(fields -> fields.closeTimeout = timeout);
    }

    /** The same with deleted samples allowed, or not, to come back. */
    public WriterOptions withAllowDeleted(boolean allow) {
        return with(fields -> fields.allowDeleted = allow);
    }

    private WriterOptions with(Consumer<Fields> change) {
        Fields fields = new Fields(this);
        change.accept(fields);
        return new WriterOptions(
                fields.writerId,
                fields.elementType,
                fields.policy,
                fields.batchBytes,
                fields.maxUnackedBytes,
                fields.blockTimeout,
                fields.progressTimeout,
                fields.closeTimeout,
                fields.allowDeleted);
    }

    /** The options while one of them is changed. */
    private static final class Fields {
        private String writerId;
        private ElementType elementType;
        private BufferPolicy policy;
        private int batchBytes;
        private long maxUnackedBytes;
        private Duration blockTimeout;
        private Duration progressTimeout;
        private Duration closeTimeout;
        private boolean allowDeleted;

        Fields(WriterOptions options) {
            writerId = options.writerId;
            elementType = options.elementType;
            policy = options.policy;
            batchBytes = options.batchBytes;
            maxUnackedBytes = options.maxUnackedBytes;
            blockTimeout = options.blockTimeout;
            progressTimeout = options.progressTimeout;
            closeTimeout = options.closeTimeout;
            allowDeleted = options.allowDeleted;
        }
    }

    private static void requireAtLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + ": expected at least " + least);
        }
    }

    private static void requirePositive(String name, Duration value) {
        requireNonNull(value, name);
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(name + " is " + value + ": expected more than 0");
        }
    }
}
