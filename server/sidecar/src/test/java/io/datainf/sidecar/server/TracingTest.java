package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.proto.v1.ValidationGradients;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.MetadataUtils;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Status;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a collector gets from the whole server. */
class TracingTest {

    private static final String TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
    private static final String CLIENT_SPAN = "b7ad6b7169203331";
    private static final String TOKEN = "a-secret-token";
    private static final int WIDTH = 3;
    // Whose bytes are found nowhere by chance.
    private static final float VALUE = 1.2345678e7f;

    @TempDir
    private Path folder;

    private OtlpReceiver collector;

    @BeforeEach
    void open() throws IOException {
        collector = new OtlpReceiver();
    }

    @AfterEach
    void close() {
        collector.close();
    }

    @Test
    void batchesAndQueries_areSpansOfTheClientsTrace() throws Exception {
        try (Sidecar server = Sidecar.start(config(1))) {
            ManagedChannel channel = channel(server);
            Channel traced = withTrace(channel, "01");
            createRun(channel);
            ingest(traced, 1, 2);
            query(traced);
            channel.shutdownNow();

            Span batch = collector.await("ingest batch", 2).getFirst();
            assertThat(OtlpReceiver.hex(batch.getTraceId())).isEqualTo(TRACE_ID);
            assertThat(OtlpReceiver.hex(batch.getParentSpanId())).isEqualTo(CLIENT_SPAN);
            assertThat(batch.getKind()).isEqualTo(Span.SpanKind.SPAN_KIND_SERVER);
            assertThat(OtlpReceiver.attributes(batch.getAttributesList()))
                    .containsAllEntriesOf(Map.of(
                            "datainf.run", "run",
                            "datainf.writer", "w",
                            "datainf.batch_seq", "1",
                            "datainf.samples", "1",
                            "datainf.bytes", "12",
                            "datainf.stored", "1",
                            "datainf.rejected", "0",
                            "datainf.revision", "1"));
            assertStages(batch, "receive", "turn", "force", "ack");

            Span query = collector.await("query", 1).getFirst();
            assertThat(OtlpReceiver.hex(query.getTraceId())).isEqualTo(TRACE_ID);
            assertThat(OtlpReceiver.hex(query.getParentSpanId())).isEqualTo(CLIENT_SPAN);
            assertThat(OtlpReceiver.attributes(query.getAttributesList()))
                    .containsAllEntriesOf(Map.of(
                            "datainf.run", "run",
                            "datainf.method", "INFLUENCE_METHOD_DATAINF",
                            "datainf.engine", "vector",
                            "datainf.samples", "2",
                            "datainf.points", "1"));
            assertStages(query, "queue", "prepare", "inverse_hvp", "scores", "respond");
        }
        assertThat(collector.resources())
                .first()
                .satisfies(resource -> assertThat(resource)
                        .containsEntry("service.name", "datainf-server")
                        .containsKey("service.version"));
        assertNoSecrets();
    }

    @Test
    void failures_areErrorsWithoutDetails() throws Exception {
        try (Sidecar server = Sidecar.start(config(1))) {
            ManagedChannel channel = channel(server);
            createRun(channel);
            assertThatThrownBy(() -> query(channel)).isInstanceOf(StatusRuntimeException.class);
            BlockingClientCall<IngestRequest, IngestResponse> call = open(channel);
            IngestRequest.Builder damaged = batch(1).toBuilder();
            damaged.getBatchBuilder().setCrc32C(1);
            boolean taken = call.write(damaged.build());
            assertThat(taken).isTrue();
            assertThatThrownBy(call::read).hasMessageContaining("batch");
            channel.shutdownNow();

            Span query = collector.await("query", 1).getFirst();
            assertThat(query.getParentSpanId().isEmpty()).isTrue();
            assertThat(query.getStatus().getCode()).isEqualTo(Status.StatusCode.STATUS_CODE_ERROR);
            assertThat(query.getStatus().getMessage()).isEqualTo("EmptyRunException");
            assertThat(OtlpReceiver.attributes(query.getAttributesList())).containsEntry("datainf.run", "run");
            Span batch = collector.await("ingest batch", 1).getFirst();
            assertThat(batch.getStatus().getMessage()).isEqualTo("ChecksumMismatchException");
        }
        assertNoSecrets();
    }

    @Test
    void clientsThatDoNotSample_areNotTraced_andRatioZeroTracesOnlyTheirs() throws Exception {
        try (Sidecar server = Sidecar.start(config(0))) {
            ManagedChannel channel = channel(server);
            createRun(channel);
            ingest(withTrace(channel, "00"), 1);
            ingest(channel, 2);
            ingest(withTrace(channel, "01"), 3);
            channel.shutdownNow();
        }
        // The server has ended, and sent what it had.
        assertThat(collector.named("ingest batch"))
                .singleElement()
                .satisfies(span -> assertThat(OtlpReceiver.attributes(span.getAttributesList()))
                        .containsEntry("datainf.batch_seq", "3"));
        assertThat(collector.all()).hasSize(5);
    }

    @Test
    void collectorThatIsNotThere_changesNothing() throws Exception {
        URI nowhere = collector.endpoint();
        collector.close();
        try (Sidecar server = Sidecar.start(config(nowhere, 1))) {
            ManagedChannel channel = channel(server);
            createRun(channel);
            ingest(channel, 1, 2, 3);
            query(channel);
            channel.shutdownNow();
        }
        assertThat(collector.all()).isEmpty();
    }

    /** The children have these names, and follow each other within the parent. */
    private void assertStages(Span parent, String... names) {
        // Children end before their parents, but may come in the next message.
        collector.await(names[names.length - 1], 1);
        List<Span> children = collector.children(parent);
        assertThat(children).extracting(Span::getName).containsExactly(names);
        long end = parent.getStartTimeUnixNano();
        for (Span child : children) {
            assertThat(child.getStartTimeUnixNano()).isGreaterThanOrEqualTo(parent.getStartTimeUnixNano());
            assertThat(child.getEndTimeUnixNano()).isGreaterThanOrEqualTo(child.getStartTimeUnixNano());
            assertThat(child.getEndTimeUnixNano()).isGreaterThanOrEqualTo(end);
            end = child.getEndTimeUnixNano();
        }
    }

    private void assertNoSecrets() {
        assertThat(collector.bodies()).isNotEmpty().allSatisfy(body -> {
            String text = new String(body, StandardCharsets.ISO_8859_1);
            assertThat(text).doesNotContain(TOKEN, Float.toString(VALUE), "12345678");
            assertThat(text).doesNotContain(new String(gradient(), StandardCharsets.ISO_8859_1));
        });
    }

    private ServerConfig config(double sampling) {
        return config(collector.endpoint(), sampling);
    }

    private ServerConfig config(URI endpoint, double sampling) {
        ServerConfig plain = TestConfig.of(
                folder.resolve("data"),
                TestConfig.listeners(
                        folder,
                        TestConfig.ANY_PORT,
                        TestConfig.ANY_PORT,
                        ServerConfig.Security.NONE,
                        Optional.empty()));
        return new ServerConfig(
                plain.storage(),
                plain.listeners(),
                plain.threadCount(),
                plain.engine(),
                plain.rpcLimits(),
                plain.queryLimits(),
                plain.drainTimeout(),
                Optional.of(new ServerConfig.Tracing(endpoint, sampling)));
    }

    private static ManagedChannel channel(Sidecar server) {
        return NettyChannelBuilder.forAddress(server.grpcAddress())
                .usePlaintext()
                .build();
    }

    private static Channel withTrace(Channel channel, String flags) {
        Metadata headers = new Metadata();
        headers.put(
                Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER),
                "00-%s-%s-%s".formatted(TRACE_ID, CLIENT_SPAN, flags));
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + TOKEN);
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private static void createRun(Channel channel) {
        RunServiceGrpc.newBlockingStub(channel)
                .createRun(CreateRunRequest.newBuilder()
                        .setRun(Run.newBuilder().setRunId("run").setLayout(layout()))
                        .build());
    }

    private static BlockLayout layout() {
        return BlockLayout.newBuilder()
                .addBlocks(Block.newBuilder().setName("b").setRows(1).setColumns(WIDTH))
                .build();
    }

    private static BlockingClientCall<IngestRequest, IngestResponse> open(Channel channel) throws Exception {
        BlockingClientCall<IngestRequest, IngestResponse> call =
                IngestServiceGrpc.newBlockingV2Stub(channel).ingest();
        String layoutHash = io.datainf.engine.memory.BlockLayout.of(
                        List.of(new io.datainf.engine.memory.Block("b", 1, WIDTH)))
                .hash();
        boolean taken = call.write(IngestRequest.newBuilder()
                .setOpen(Open.newBuilder().setRunId("run").setWriterId("w").setLayoutHash(layoutHash))
                .build());
        assertThat(taken).isTrue();
        assertThat(call.read().hasOpened()).isTrue();
        return call;
    }

    /** One sample a batch; each acked before the next is sent. */
    private static void ingest(Channel channel, long... batchSeqs) throws Exception {
        BlockingClientCall<IngestRequest, IngestResponse> call = open(channel);
        for (long batchSeq : batchSeqs) {
            boolean taken = call.write(batch(batchSeq));
            assertThat(taken).isTrue();
            assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(batchSeq);
        }
        call.halfClose();
        assertThat(call.read()).isNull();
    }

    private static void query(Channel channel) {
        Iterator<QueryResponse> parts = InfluenceServiceGrpc.newBlockingStub(channel)
                .query(QueryRequest.newBuilder()
                        .setSpec(QuerySpec.newBuilder()
                                .setRunId("run")
                                .setValidationGradients(
                                        ValidationGradients.newBuilder().setCount(1)))
                        .setGradients(ByteString.copyFrom(gradient()))
                        .build());
        parts.forEachRemaining(part -> assertThat(part).isNotNull());
    }

    private static IngestRequest batch(long batchSeq) {
        byte[] gradient = gradient();
        CRC32C checksum = new CRC32C();
        checksum.update(gradient);
        return IngestRequest.newBuilder()
                .setBatch(SampleBatch.newBuilder()
                        .setBatchSeq(batchSeq)
                        .addSampleIds(batchSeq)
                        .setCrc32C((int) checksum.getValue())
                        .setGradients(ByteString.copyFrom(gradient)))
                .build();
    }

    private static byte[] gradient() {
        ByteBuffer row = ByteBuffer.allocate(WIDTH * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (row.hasRemaining()) {
            row.putFloat(VALUE);
        }
        return row.array();
    }
}
