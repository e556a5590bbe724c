package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.run.RunDefinition;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A writer that does one thing after the other. It reads only when told to. */
final class TestWriter {

    private static final long PATIENCE_SECONDS = 60;

    private final BlockingClientCall<byte[], IngestResponse> call;
    private @Nullable StatusException failure;

    TestWriter(Channel channel) {
        this(channel, CallOptions.DEFAULT);
    }

    TestWriter(Channel channel, CallOptions options) {
        MethodDescriptor<IngestRequest, IngestResponse> generated = IngestServiceGrpc.getIngestMethod();
        MethodDescriptor<byte[], IngestResponse> method = generated.toBuilder(
                        new Bytes(), generated.getResponseMarshaller())
                .build();
        call = ClientCalls.blockingBidiStreamingCall(channel, method, options);
    }

    /** Opens a stream and waits for Opened. */
    static TestWriter open(TestServer server, RunDefinition run, String writerId) throws Exception {
        TestWriter writer = new TestWriter(server.channel);
        writer.send(Wire.open(run, writerId));
        writer.opened();
        return writer;
    }

    /** Sends; if the stream has ended meanwhile, the next reading says why. */
    void send(IngestRequest request) throws InterruptedException {
        send(request.toByteArray());
    }

    /** Sends a message of any bytes. */
    void send(byte[] message) throws InterruptedException {
        try {
            call.write(message);
        } catch (StatusException e) {
            failure = e;
        }
    }

    void send(Open.Builder open) throws InterruptedException {
        send(Wire.message(open));
    }

    void send(SampleBatch.Builder batch) throws InterruptedException {
        send(Wire.message(batch));
    }

    void halfClose() {
        call.halfClose();
    }

    void cancel() {
        call.cancel("the test gives up", null);
    }

    Opened opened() throws Exception {
        IngestResponse response = read();
        assertThat(response).isNotNull();
        assertThat(response.hasOpened()).isTrue();
        return response.getOpened();
    }

    /** Reads acks until batch {@code batchSeq} is durable and returns all of them as one. */
    Ack ackOf(long batchSeq) throws Exception {
        Ack.Builder all = Ack.newBuilder();
        while (all.getDurableBatchSeq() < batchSeq) {
            IngestResponse response = read();
            assertThat(response).describedAs("ack of batch %d", batchSeq).isNotNull();
            Ack ack = response.getAck();
            assertThat(ack.getDurableBatchSeq()).isGreaterThanOrEqualTo(all.getDurableBatchSeq());
            all.setDurableBatchSeq(ack.getDurableBatchSeq())
                    .setRevision(ack.getRevision())
                    .setReplacedCount(all.getReplacedCount() + ack.getReplacedCount())
                    .setDuplicateCount(all.getDuplicateCount() + ack.getDuplicateCount())
                    .addAllRejectedSamples(ack.getRejectedSamplesList());
        }
        return all.build();
    }

    /** Reads what is left, expects the stream to end well, and returns the last durable batch that was acked meanwhile. */
    long endsWell() throws Exception {
        long durable = 0;
        for (IngestResponse response = read(); response != null; response = read()) {
            durable = response.getAck().getDurableBatchSeq();
        }
        return durable;
    }

    /** Reads until the stream ends with an error, which it returns. */
    StatusException fails() throws Exception {
        try {
            while (read() != null) {}
        } catch (StatusException e) {
            return e;
        }
        throw new AssertionError("the stream ended well", failure);
    }

    /** Returns the next response, null at the end. */
    @Nullable
    IngestResponse read() throws Exception {
        return call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    /** Messages that are bytes already. */
    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {

        @Override
        public InputStream stream(byte[] message) {
            return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
            throw new UnsupportedOperationException("clients receive no requests");
        }
    }
}
