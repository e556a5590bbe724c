package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.TopSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.grpc.CallOptions;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls made to hurt: each is refused by name, and the server goes on. */
class AttackTest {

    private static final int BOMB_BYTES = 64 << 20; // 64 KiB compressed

    @TempDir
    private Path dataDirectory;

    private TestServer server;
    private Run run;

    @BeforeEach
    void start() throws Exception {
        server = new TestServer(dataDirectory);
        run = RandomRun.create(server, "r1", RandomRun.rows(3, 1));
    }

    @AfterEach
    void serverGoesOn() throws Exception {
        assertThat(server.runService()
                        .getRun(GetRunRequest.newBuilder().setRunId("r1").build())
                        .getRun()
                        .getSampleCount())
                .isEqualTo(3);
        server.close();
    }

    @Test
    void metadata_tooLarge_isRefused() {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("x", Metadata.ASCII_STRING_MARSHALLER), "x".repeat(64 << 10));

        Throwable refusal = catchThrowable(() -> server.runService()
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .getRun(GetRunRequest.newBuilder().setRunId("r1").build()));

        assertThat(Status.fromThrowable(refusal).getCode()).isIn(Status.Code.INTERNAL, Status.Code.RESOURCE_EXHAUSTED);
    }

    @Test
    void topK_asLargeAsCanBe_givesWhatThereIs() throws Exception {
        Answer answer = Answer.read(server.influenceService()
                .query(query(Selection.newBuilder()
                        .setTop(TopSamples.newBuilder().setCount(Long.MAX_VALUE))
                        .build())));

        assertThat(answer.ids(0)).hasSize(3);
    }

    @Test
    void ids_aMillion_areRefused() {
        Selection million = Selection.newBuilder()
                .setGiven(GivenSamples.newBuilder().addAllSampleIds(Collections.nCopies(1_000_000, 10L)))
                .build();

        Throwable refusal =
                catchThrowable(() -> Answer.read(server.influenceService().query(query(million))));

        assertThat(Status.fromThrowable(refusal).getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    }

    @Test
    void compressedBombs_areNotUnpacked() throws Exception {
        CreateRunRequest bomb = CreateRunRequest.newBuilder()
                .setRun(io.datainf.proto.v1.Run.newBuilder().setRunIdBytes(zeros()))
                .build();
        Throwable refusal =
                catchThrowable(() -> server.runService().withCompression("gzip").createRun(bomb));
        assertThat(Status.fromThrowable(refusal).getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);

        TestWriter writer = new TestWriter(server.channel, CallOptions.DEFAULT.withCompression("gzip"));
        writer.send(Wire.open(run.definition(), "bomber"));
        writer.opened();
        writer.send(Wire.batch(1, 1, ByteString.EMPTY, 1).setGradients(zeros()));
        assertThat(writer.fails().getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    }

    @ParameterizedTest
    @ValueSource(strings = {"../r1", "..", "a/../../etc", "/etc/passwd", ".hidden", "a\\b", "a\0b", "", "%2e%2e", "ä"})
    void runNames_thatLeadElsewhere_areRefused(String name) {
        assertStatus(catchThrowable(() -> server.runService()
                        .getRun(GetRunRequest.newBuilder().setRunId(name).build())))
                .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("run_id");
    }

    @Test
    void streams_thatSayNothing_doNotKeepOthersOut() throws Exception {
        List<TestWriter> silent = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            silent.add(new TestWriter(server.channel));
        }
        TestWriter writer = TestWriter.open(server, run.definition(), "w9");
        writer.send(Wire.batch(1, 10, new float[RandomRun.DIMENSION]));
        assertThat(writer.ackOf(1).getReplacedCount()).isEqualTo(1);
        writer.halfClose();
        writer.endsWell();
        silent.forEach(TestWriter::cancel);
    }

    private static QueryRequest query(Selection selection) {
        return QueryRequest.newBuilder()
                .setSpec(QuerySpec.newBuilder()
                        .setRunId("r1")
                        .setSelection(selection)
                        .setValidationGradients(ValidationGradients.newBuilder().setCount(1)))
                .setGradients(Wire.f32(RandomRun.rows(1, 2)))
                .build();
    }

    private static ByteString zeros() {
        return ByteString.copyFrom(new byte[BOMB_BYTES]);
    }
}
