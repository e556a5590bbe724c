package io.datainf.client;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.datainf.proto.v1.Open;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Streams the samples of one writer into a run and makes them durable. Adding copies and returns; one daemon thread of the
 * writer's own sends. A batch goes out when it is full, when nothing else is on its way, and with {@link #flush} and
 * {@link #close}.
 *
 * <p>A connection that breaks is opened again, also to a server that was killed and restarted, and what was not acked is sent
 * again: every sample is stored once. What a new connection cannot mend ends the writer: each later call throws the same
 * failure. What was not acked when this process dies is lost; a new process may open a writer with the same id, which goes on
 * after the last durable batch, and add again what it is not sure of: samples that the run holds already are counted as
 * duplicates.
 *
 * <p>Safe for several threads; their samples mix in the order of their calls. {@link WriterOptions} say how much is buffered and
 * what happens when that is not enough.
 */
public final class SampleWriter implements AutoCloseable {
    private static final long[] NO_STEPS = {};

    private final int dimension;
    private final WriterOptions options;
    private final Outbox outbox;
    private final Thread sender;
    private final AtomicBoolean closed = new AtomicBoolean();

    private SampleWriter(int dimension, WriterOptions options, Outbox outbox, Thread sender) {
        this.dimension = dimension;
        this.options = options;
        this.outbox = outbox;
        this.sender = sender;
    }

    /** Connects and waits until the server is ready for the first batch. */
    static SampleWriter open(ManagedChannel channel, RunDescription run, WriterOptions options)
            throws InterruptedException {
        int elementBytes = options.elementType().bytes();
        if (run.dimension() > Integer.MAX_VALUE / elementBytes) {
            throw new IllegalArgumentException("run " + run.runId() + " has samples of " + run.dimension()
                    + " elements: this client can send at most " + Integer.MAX_VALUE / elementBytes);
        }
        Open open = Open.newBuilder()
                .setRunId(run.runId())
                .setWriterId(options.writerId())
                .setLayoutHash(run.layoutHash())
                .setElementType(options.elementType().proto())
                .setCheckpoint(run.checkpoint())
                .setWriterInstance(ThreadLocalRandom.current().nextLong(1, Long.MAX_VALUE))
                .build();
        Outbox outbox = new Outbox((int) run.dimension(), options);
        Backoff backoff = new Backoff(options.progressTimeout(), System::nanoTime);
        Thread sender =
                new Thread(new IngestSender(channel, open, outbox, backoff), "datainf-writer-" + options.writerId());
        sender.setDaemon(true);
        sender.start();
        try {
            outbox.awaitUsable();
            return new SampleWriter((int) run.dimension(), options, outbox, sender);
        } catch (InterruptedException e) {
            sender.interrupt();
            throw e;
        }
    }

    /** Identifies this writer across reconnects. */
    public String writerId() {
        return options.writerId();
    }

    /**
     * Takes a sample without a training step; see {@link #add(long[], FloatBuffer, long...)}.
     *
     * @param sampleId the trainer's own id, any 64 bits
     * @param gradient D elements
     */
    public void add(long sampleId, float[] gradient) throws InterruptedException {
        add(sampleId, gradient, NO_STEPS);
    }

    /** Takes a sample with the training step at which its gradient was taken. */
    public void add(long sampleId, float[] gradient, long step) throws InterruptedException {
        add(sampleId, gradient, new long[] {step});
    }

    private void add(long sampleId, float[] gradient, long[] steps) throws InterruptedException {
        if (gradient.length != dimension) {
            throw new IllegalArgumentException("the gradient of sample " + Long.toUnsignedString(sampleId) + " has "
                    + gradient.length + " elements: expected " + dimension);
        }
        add(new long[] {sampleId}, FloatBuffer.wrap(gradient), steps);
    }

    /**
     * Takes samples in float32, of a writer opened with {@link ElementType#F32}. When the buffer is full, the
     * {@link BufferPolicy} decides.
     *
     * <p>A sample whose id the run holds already is counted as duplicate if its gradient is equal, and replaces the old one
     * otherwise.
     *
     * @param sampleIds the trainer's own ids, [k], any 64 bits, none twice
     * @param rows gradient of each sample's own loss, before optimiser and clipping: what remains in the buffer, row-major
     *     [k, D]; copied, and the position stays
     * @param steps training step of each gradient, [k], or none. Kept with the sample, not used in any formula
     * @throws WriterFullException if there was no room, as the policy says
     * @throws DataInfException if the writer has failed; no sample of this call was then taken, or those that waited for room were not
     * @throws InterruptedException if interrupted while waiting for room; the samples before that were taken
     */
    public void add(long[] sampleIds, FloatBuffer rows, long... steps) throws InterruptedException {
        if (options.elementType() != ElementType.F32) {
            throw new IllegalArgumentException("the gradients are float32, but the writer was opened with "
                    + options.elementType() + ": expected a ByteBuffer of such elements");
        }
        put(SampleRows.of(sampleIds, steps, rows, dimension));
    }

    /**
     * Takes samples whose gradients are encoded already, on the heap or off it; otherwise as
     * {@link #add(long[], FloatBuffer, long...)}.
     *
     * @param sampleIds the trainer's own ids, [k], none twice
     * @param rows what remains in the buffer, row-major [k, D], elements as {@link WriterOptions#elementType} says, little-endian
     *     whatever the buffer's order; copied, and the position stays
     * @param steps training step of each gradient, [k], or none
     */
    public void add(long[] sampleIds, ByteBuffer rows, long... steps) throws InterruptedException {
        put(SampleRows.of(
                sampleIds, steps, rows, dimension * options.elementType().bytes()));
    }

    private void put(SampleRows rows) throws InterruptedException {
        long deadline = Outbox.deadline(options.blockTimeout());
        int taken = 0;
        while (taken < rows.count()) {
            List<Claim> claims = outbox.claim(rows, taken, deadline);
            if (claims.isEmpty()) {
                return;
            }
            for (Claim claim : claims) {
                fill(claim, rows, taken);
                taken += claim.count();
            }
        }
    }

    private void fill(Claim claim, SampleRows rows, int from) {
        try {
            rows.source().copy(from, claim.count(), claim.target());
        } catch (RuntimeException | Error e) {
            // Such as a mapped file that was cut off: places without gradients must never be sent.
            outbox.fail(new DataInfException(Status.Code.INTERNAL, "", "gradients could not be read: " + e));
            throw e;
        }
        outbox.publish(claim);
    }

    /** As {@link #flush(Duration)}, for as long as it takes; a server that does not answer ends the writer. */
    @CanIgnoreReturnValue
    public long flush() throws InterruptedException {
        return flush(WriterOptions.LONGEST);
    }

    /**
     * Sends what was taken and waits until all of it is durable.
     *
     * @param timeout longest wait; then DEADLINE_EXCEEDED, and the samples are still on their way
     * @return the run's revision that includes it, for {@link InfluenceQuery.Builder#minRevision}; 0 when nothing was
     *     sent yet
     * @throws DataInfException if the writer has failed; samples since the last flush may or may not be stored
     */
    @CanIgnoreReturnValue
    public long flush(Duration timeout) throws InterruptedException {
        return outbox.flush(timeout);
    }

    /** How far it has come; also after it was closed or has failed. */
    public WriterProgress progress() {
        return outbox.progress();
    }

    /** As {@link #close(Duration)} with {@link WriterOptions#closeTimeout}. */
    @Override
    public void close() {
        close(options.closeTimeout());
    }

    /**
     * Waits until all samples are durable, and ends stream and thread; further calls do nothing. An interrupt gives up on what is
     * not acked.
     *
     * @param timeout longest wait; then DEADLINE_EXCEEDED, and what was not acked may be lost
     * @throws DataInfException if not everything became durable
     */
    public void close(Duration timeout) {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        outbox.close();
        boolean durable = false;
        try {
            outbox.awaitFinished(timeout);
            durable = true;
            sender.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            if (!durable) {
                DataInfException failure = new DataInfException(
                        Status.Code.CANCELLED,
                        "",
                        "interrupted while closing: samples since the last flush may be lost");
                outbox.fail(failure);
                throw failure;
            }
        } finally {
            sender.interrupt();
        }
    }
}
