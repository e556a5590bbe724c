package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.WriterStream;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.datainf.sidecar.ingest.BatchAck;
import io.datainf.sidecar.ingest.BatchMessage;
import io.datainf.sidecar.ingest.IngestContext;
import io.datainf.sidecar.ingest.IngestSession;
import io.datainf.sidecar.ingest.IngestSink;
import io.datainf.sidecar.ingest.WriterHello;
import io.datainf.sidecar.tracing.CallTrace;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import org.jspecify.annotations.Nullable;

/**
 * One writer's call: decodes messages for its {@link IngestSession} and encodes what the session says.
 *
 * <p>Threads: gRPC calls the observer's methods and the handlers one after the other. Once there is a session, only the
 * session touches the call, under its lock; before, whoever holds this object's lock and finds {@code over} false.
 */
final class IngestStream implements StreamObserver<IngestMessage>, IngestSink {

    private static final int MAX_WRITER_ID_BYTES = 128;

    private final ServerCallStreamObserver<IngestResponse> call;
    private final RunRegistry runs;
    private final IngestContext context;
    private final CallContext callContext = CallContext.current();
    private final RpcLimits limits;
    private final DrainGate gate;
    private final StreamMemory memory;
    private final Runnable requireRoom;

    // Guarded by this.
    private @Nullable IngestSession session;
    private boolean over;

    private final AckEncoder acks = new AckEncoder();

    /**
     * Creates the stream.
     *
     * @param requireRoom throws if no more samples may be stored
     */
    IngestStream(
            ServerCallStreamObserver<IngestResponse> call,
            RunRegistry runs,
            IngestContext context,
            RpcLimits limits,
            DrainGate gate,
            StreamMemory memory,
            Runnable requireRoom) {
        this.call = call;
        this.runs = runs;
        this.context = context;
        this.limits = limits;
        this.gate = gate;
        this.memory = memory;
        this.requireRoom = requireRoom;
    }

    /** Takes control of the flow and asks for the first message, if the server takes streams. */
    void begin() {
        call.disableAutoRequest();
        call.setOnCancelHandler(this::cancelled);
        call.setOnReadyHandler(this::readyAgain);
        try {
            gate.enter(this, this::drain);
        } catch (ServerStoppingException e) {
            endUnopened(e);
            return;
        }
        call.request(1);
    }

    @Override
    public void onNext(IngestMessage message) {
        try {
            switch (message) {
                case IngestMessage.Opening opening -> open(opening.open());
                case IngestMessage.Samples samples -> take(samples);
                case IngestMessage.Refused refused -> throw refused.cause();
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            fail(e);
        }
    }

    /** The client cancelled; the cancel handler has dealt with it. */
    @Override
    public void onError(Throwable cause) {}

    @Override
    public void onCompleted() {
        IngestSession opened = session();
        if (opened != null) {
            opened.halfClose();
        } else {
            fail(firstMessageMissing("the stream ended"));
        }
    }

    @Override
    public CallTrace trace() {
        return callContext.trace();
    }

    @Override
    public boolean ready() {
        return call.isReady();
    }

    @Override
    public void opened(long resumeAfterBatchSeq) {
        acks.startAfter(resumeAfterBatchSeq);
        Opened.Builder opened = Opened.newBuilder()
                .setResumeAfterBatchSeq(resumeAfterBatchSeq)
                .setMaxMessageBytes(limits.maxMessageBytes())
                .setMaxUnackedBytes(limits.maxUnackedBytes());
        memory.offer().ifPresent(opened::setSharedMemory);
        call.onNext(IngestResponse.newBuilder().setOpened(opened).build());
    }

    @Override
    public void ack(BatchAck ack) {
        acks.encode(ack, call::onNext);
    }

    @Override
    public void requestNext() {
        call.request(1);
    }

    @Override
    public void end(@Nullable Throwable cause) {
        if (cause == null) {
            call.onCompleted();
        } else {
            call.onError(callContext.tagged(() -> StatusMapper.toException(cause)));
        }
        memory.close();
        gate.leave(this);
    }

    private void open(Open open) {
        if (session() != null) {
            throw new InvalidRequestException("open", "open came twice: expected batches after the first message");
        }
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        int idBytes = ByteString.copyFromUtf8(open.getWriterId()).size();
        violations.require(
                idBytes >= 1 && idBytes <= MAX_WRITER_ID_BYTES,
                "open.writer_id",
                "open.writer_id has %d bytes: expected 1 to %d",
                idBytes,
                MAX_WRITER_ID_BYTES);
        ElementType elementType =
                ElementTypes.decode(open.getElementType(), open.getElementTypeValue(), "open.element_type", violations);
        violations.require(
                open.getSharedMemoryBytes() >= 0,
                "open.shared_memory_bytes",
                "open.shared_memory_bytes is %d: expected 0 or more",
                open.getSharedMemoryBytes());
        violations.throwIfAny();
        Run run = runs.get(RunIds.decode("open.run_id", open.getRunId()));
        WriterHello hello = new WriterHello(
                open.getWriterId(),
                open.getLayoutHash(),
                open.getCheckpoint(),
                elementType,
                new WriterStream(open.getWriterInstance(), open.getStreamNumber()));
        IngestSession opened = IngestSession.open(runs, run, hello, context, this);
        memory.open(open.getSharedMemoryBytes());
        boolean live;
        synchronized (this) {
            live = !over;
            session = opened;
        }
        if (live) {
            opened.start();
        } else {
            opened.abandon();
        }
    }

    private void take(IngestMessage.Samples samples) {
        BatchMessage batch = samples.batch();
        try {
            IngestSession opened = session();
            if (opened == null) {
                throw firstMessageMissing("batch %d came first".formatted(batch.batchSeq()));
            }
            requireRoom.run();
            opened.take(memory.find(samples));
        } finally {
            // gRPC frees the message when this returns: nobody shall read it afterwards.
            batch.gradients().close();
        }
    }

    private static InvalidRequestException firstMessageMissing(String what) {
        return new InvalidRequestException("message", "%s: expected open as the first message".formatted(what));
    }

    private void fail(Throwable cause) {
        IngestSession opened = session();
        if (opened != null) {
            opened.fail(cause);
        } else {
            endUnopened(cause);
        }
    }

    private void drain() {
        fail(new ServerStoppingException());
    }

    private void cancelled() {
        IngestSession opened;
        synchronized (this) {
            over = true;
            opened = session;
        }
        if (opened != null) {
            opened.abandon();
        }
        memory.close();
        gate.leave(this);
    }

    private void readyAgain() {
        IngestSession opened = session();
        if (opened != null) {
            opened.sinkReady();
        }
    }

    private void endUnopened(Throwable cause) {
        synchronized (this) {
            if (over) {
                return;
            }
            over = true;
            call.onError(callContext.tagged(() -> StatusMapper.toException(cause)));
        }
        gate.leave(this);
    }

    private synchronized @Nullable IngestSession session() {
        return session;
    }
}
