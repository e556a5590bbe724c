package io.datainf.client;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.IngestServiceGrpc.IngestServiceStub;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.grpc.Status;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Streams the samples of one writer into a run and makes them durable. Batches go out when full, or with {@link #flush}
 * and {@link #close}; a connection that breaks is opened again and what was not acked is sent again, so that every
 * sample is stored once. What cannot be mended ends the writer: each later call throws the same failure.
 *
 * <p>Safe for several threads; their samples mix in the order of their calls. One thread of the writer's own sends.
 */
public final class SampleWriter implements AutoCloseable {
    private final int dimension;
    private final Outbox outbox;
    private final Thread sender;

    /** Held while waiting for room, so that batches keep their order. */
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final BatchBuilder batch;

    @GuardedBy("lock")
    private long nextSequence;

    @GuardedBy("lock")
    private boolean closed;

    private SampleWriter(int dimension, Outbox outbox, Thread sender, Opened opened, WriterOptions options) {
        this.dimension = dimension;
        this.outbox = outbox;
        this.sender = sender;
        int maxMessageBytes = (int) Math.min(Integer.MAX_VALUE, opened.getMaxMessageBytes());
        this.batch = new BatchBuilder(dimension, maxMessageBytes, options);
        this.nextSequence = opened.getResumeAfterBatchSeq() + 1;
    }

    /** Connects and waits until the server is ready for the first batch. */
    static SampleWriter open(IngestServiceStub stub, RunDescription run, WriterOptions options)
            throws InterruptedException {
        if (run.dimension() > Integer.MAX_VALUE / Float.BYTES) {
            throw new IllegalArgumentException("run " + run.runId() + " has samples of " + run.dimension()
                    + " elements: this client can send at most " + Integer.MAX_VALUE / Float.BYTES);
        }
        Open open = Open.newBuilder()
                .setRunId(run.runId())
                .setWriterId(options.writerId())
                .setLayoutHash(run.layoutHash())
                .setElementType(ElementType.ELEMENT_TYPE_F32)
                .setCheckpoint(run.checkpoint())
                .build();
        Outbox outbox = new Outbox(options);
        Thread sender = new Thread(new IngestSender(stub, open, outbox), "datainf-writer-" + run.runId());
        sender.setDaemon(true);
        sender.start();
        try {
            Opened opened = outbox.awaitOpened();
            return new SampleWriter((int) run.dimension(), outbox, sender, opened, options);
        } catch (InterruptedException e) {
            sender.interrupt();
            throw e;
        }
    }

    /**
     * Takes a sample. Waits while too many bytes are not acked.
     *
     * @param sampleId the trainer's own id, any 64 bits; a second sample with the same id replaces the first
     * @param gradient gradient of this sample's own loss, before optimiser and clipping, D elements; copied
     * @throws DataInfException if the writer has failed; this sample was then not taken
     */
    public void add(long sampleId, float[] gradient) throws InterruptedException {
        if (gradient.length != dimension) {
            throw new IllegalArgumentException("the gradient of sample " + sampleId + " has " + gradient.length
                    + " elements: expected " + dimension);
        }
        lock.lockInterruptibly();
        try {
            requireOpen();
            if (batch.isFull() || batch.contains(sampleId)) {
                outbox.awaitRoom(batch.payloadBytes());
                sendBatch();
            }
            batch.append(sampleId, gradient);
            if (batch.isFull() && outbox.hasRoom(batch.payloadBytes())) {
                sendBatch();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Sends what was taken and waits until all of it is durable.
     *
     * @return the run's revision that includes it, for {@link InfluenceQuery.Builder#minRevision}; 0 when nothing was
     *     sent yet
     * @throws DataInfException if the writer has failed; samples since the last flush may or may not be stored
     */
    @CanIgnoreReturnValue
    public long flush() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            requireOpen();
            if (!batch.isEmpty()) {
                outbox.awaitRoom(batch.payloadBytes());
                sendBatch();
            }
        } finally {
            lock.unlock();
        }
        return outbox.awaitAcked();
    }

    /** How far it has come; also after it was closed or has failed. */
    public WriterProgress progress() {
        return outbox.progress();
    }

    /**
     * Flushes and ends the stream; further calls do nothing. An interrupt gives up on what is not acked.
     *
     * @throws DataInfException if not everything became durable
     */
    @Override
    public void close() {
        lock.lock();
        try {
            if (!closed) {
                finish();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DataInfException(
                    Status.Code.CANCELLED, "", "interrupted while closing: samples since the last flush may be lost");
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void finish() throws InterruptedException {
        try {
            flush();
            outbox.close();
            sender.join();
        } finally {
            closed = true;
            sender.interrupt();
        }
    }

    @GuardedBy("lock")
    private void sendBatch() {
        outbox.put(batch.build(nextSequence));
        nextSequence++;
    }

    @GuardedBy("lock")
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the writer is closed");
        }
    }
}
