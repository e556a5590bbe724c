package io.datainf.client;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.ByteString;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetRunResponse;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc.IngestServiceImplBase;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc.RunServiceImplBase;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.BindableService;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The ingest service as the protocol describes it, keeping batches in a list, with faults on request. It checks what a
 * server would check and keeps the first violation, which {@link #requireNoViolation} reports.
 */
final class IngestPeer extends IngestServiceImplBase {

    /** What happens to one batch, instead of storing and acking it. */
    private record Fault(long sequence, boolean store, Throwable error) {}

    private final long maxUnackedBytes;

    /** What the next stream is told; the present one keeps its limit. */
    @GuardedBy("this")
    private int nextMaxMessageBytes;

    @GuardedBy("this")
    private int maxMessageBytes;

    @GuardedBy("this")
    private final List<Open> opens = new ArrayList<>();

    @GuardedBy("this")
    private final List<SampleBatch> messages = new ArrayList<>();

    @GuardedBy("this")
    private final Map<Long, ByteString> samples = new HashMap<>();

    @GuardedBy("this")
    private final List<Long> sequences = new ArrayList<>();

    @GuardedBy("this")
    private final ArrayDeque<Fault> faults = new ArrayDeque<>();

    @GuardedBy("this")
    private final ArrayDeque<Throwable> openFaults = new ArrayDeque<>();

    @GuardedBy("this")
    private long durable;

    @GuardedBy("this")
    private boolean holdingAcks;

    @GuardedBy("this")
    private @Nullable StreamObserver<IngestResponse> current;

    @GuardedBy("this")
    private Ack nextAck = Ack.getDefaultInstance();

    @GuardedBy("this")
    private int elementBytes = Float.BYTES;

    @GuardedBy("this")
    private long unackedBytes;

    @GuardedBy("this")
    private int completedStreams;

    @GuardedBy("this")
    private String violation = "";

    IngestPeer(int maxMessageBytes, long maxUnackedBytes) {
        this.maxMessageBytes = maxMessageBytes;
        this.nextMaxMessageBytes = maxMessageBytes;
        this.maxUnackedBytes = maxUnackedBytes;
    }

    /** Ends the stream when a batch arrives whole, once; it is stored before if `store`. */
    @CanIgnoreReturnValue
    synchronized IngestPeer failBatch(long sequence, boolean store, Throwable error) {
        faults.add(new Fault(sequence, store, error));
        return this;
    }

    /** Ends the next stream that is opened. */
    @CanIgnoreReturnValue
    synchronized IngestPeer failOpen(Throwable error) {
        openFaults.add(error);
        return this;
    }

    /** What the next ack says besides what is durable. */
    synchronized void setNextAck(Ack ack) {
        nextAck = ack;
    }

    /** What streams opened from now on are told. */
    synchronized void limitMessages(int bytes) {
        nextMaxMessageBytes = bytes;
    }

    /** The other service that a writer asks: it knows the run's revision. */
    BindableService runs() {
        return new RunServiceImplBase() {
            @Override
            public void getRun(GetRunRequest request, StreamObserver<GetRunResponse> response) {
                response.onNext(GetRunResponse.newBuilder()
                        .setRun(Run.newBuilder().setRevision(samples().size()))
                        .build());
                response.onCompleted();
            }
        };
    }

    /** Makes batches durable without saying so, until {@link #releaseAcks}. */
    synchronized void holdAcks() {
        holdingAcks = true;
    }

    synchronized void releaseAcks() {
        holdingAcks = false;
        if (current != null) {
            ack(current);
        }
    }

    /** Pretends that the writer's batches up to this one are stored. */
    synchronized void setDurable(long sequence) {
        durable = sequence;
    }

    synchronized List<Open> opens() {
        return List.copyOf(opens);
    }

    synchronized List<SampleBatch> messages() {
        return List.copyOf(messages);
    }

    /** The numbers of stored batches in the order of storing. */
    synchronized List<Long> sequences() {
        return List.copyOf(sequences);
    }

    synchronized Map<Long, ByteString> samples() {
        return Map.copyOf(samples);
    }

    synchronized int completedStreams() {
        return completedStreams;
    }

    synchronized void requireNoViolation() {
        if (!violation.isEmpty()) {
            throw new AssertionError(violation);
        }
    }

    @Override
    public StreamObserver<IngestRequest> ingest(StreamObserver<IngestResponse> responses) {
        return new StreamObserver<>() {
            private ByteString fragments = ByteString.EMPTY;

            @Override
            public void onNext(IngestRequest request) {
                synchronized (IngestPeer.this) {
                    require(request.getSerializedSize() <= maxMessageBytes, "a message exceeds the limit");
                    if (request.hasOpen()) {
                        open(request.getOpen(), responses);
                    } else {
                        fragments = receive(request.getBatch(), fragments, responses);
                    }
                }
            }

            @Override
            public void onError(Throwable cancelled) {}

            @Override
            public void onCompleted() {
                synchronized (IngestPeer.this) {
                    completedStreams++;
                }
                responses.onCompleted();
            }
        };
    }

    @GuardedBy("this")
    private void open(Open open, StreamObserver<IngestResponse> responses) {
        opens.add(open);
        Throwable fault = openFaults.poll();
        if (fault != null) {
            responses.onError(fault);
            return;
        }
        current = responses;
        maxMessageBytes = nextMaxMessageBytes;
        elementBytes = open.getElementType() == ElementType.ELEMENT_TYPE_F32 ? Float.BYTES : Short.BYTES;
        unackedBytes = 0;
        responses.onNext(IngestResponse.newBuilder()
                .setOpened(Opened.newBuilder()
                        .setResumeAfterBatchSeq(durable)
                        .setMaxMessageBytes(maxMessageBytes)
                        .setMaxUnackedBytes(maxUnackedBytes))
                .build());
    }

    /** Takes one message; returns the bytes of the sample that is not whole yet. */
    @GuardedBy("this")
    private ByteString receive(SampleBatch batch, ByteString fragments, StreamObserver<IngestResponse> responses) {
        messages.add(batch);
        CRC32C checksum = new CRC32C();
        checksum.update(batch.getGradients().asReadOnlyByteBuffer());
        require(batch.getCrc32C() == (int) checksum.getValue(), "the checksum does not match");
        require(batch.getElementOffset() * elementBytes == fragments.size(), "a fragment leaves a gap");
        require(
                batch.getSampleIdsList().stream().distinct().count() == batch.getSampleIdsCount(),
                "an id occurs twice in one batch");
        require(unackedBytes == 0 || unackedBytes + batch.getGradients().size() <= maxUnackedBytes, "too much unacked");
        ByteString gradients = fragments.concat(batch.getGradients());
        if (gradients.size() < batch.getSampleIdsCount() * DIMENSION * elementBytes) {
            return gradients;
        }
        unackedBytes += gradients.size();
        Fault fault = faults.peek();
        boolean failing = fault != null && fault.sequence() == batch.getBatchSeq();
        if (!failing || fault.store()) {
            store(batch, gradients);
        }
        if (failing) {
            faults.remove();
            current = null;
            responses.onError(fault.error());
        } else if (!holdingAcks) {
            ack(responses);
        }
        return ByteString.EMPTY;
    }

    @GuardedBy("this")
    private void store(SampleBatch batch, ByteString gradients) {
        require(batch.getBatchSeq() == durable + 1, "batch_seq is " + batch.getBatchSeq() + " after " + durable);
        durable = batch.getBatchSeq();
        sequences.add(durable);
        int rowBytes = DIMENSION * elementBytes;
        for (int row = 0; row < batch.getSampleIdsCount(); row++) {
            samples.put(batch.getSampleIds(row), gradients.substring(row * rowBytes, (row + 1) * rowBytes));
        }
    }

    @GuardedBy("this")
    private void ack(StreamObserver<IngestResponse> responses) {
        Ack.Builder ack = nextAck.toBuilder().setDurableBatchSeq(durable).setRevision(samples.size());
        nextAck = Ack.getDefaultInstance();
        unackedBytes = 0;
        responses.onNext(IngestResponse.newBuilder().setAck(ack).build());
    }

    @GuardedBy("this")
    private void require(boolean condition, String otherwise) {
        if (!condition && violation.isEmpty()) {
            violation = otherwise;
        }
    }

    /** Elements of a sample in these tests. */
    static final int DIMENSION = 6;
}
