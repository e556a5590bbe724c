package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.BlockStatistics;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.DeleteRunRequest;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.GetStatisticsResponse;
import io.datainf.proto.v1.ListRunsRequest;
import io.datainf.proto.v1.ListRunsResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunGrpcServiceTest {

    private TestServer server;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static io.datainf.proto.v1.Run.Builder definition(String runId) {
        return io.datainf.proto.v1.Run.newBuilder()
                .setRunId(runId)
                .setLayout(BlockLayout.newBuilder()
                        .addBlocks(block("lora_A", 2, 3))
                        .addBlocks(block("lora_B", 2, 1)));
    }

    private static Block.Builder block(String name, long rows, long columns) {
        return Block.newBuilder().setName(name).setRows(rows).setColumns(columns);
    }

    private io.datainf.proto.v1.Run create(io.datainf.proto.v1.Run.Builder run) throws Exception {
        return server.runService()
                .createRun(CreateRunRequest.newBuilder().setRun(run).build())
                .getRun();
    }

    private void assertInvalid(io.datainf.proto.v1.Run.Builder run, String... fields) {
        Throwable thrown = catchThrowable(() -> create(run));
        assertStatus(thrown)
                .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates(fields)
                .mayNotBeRetried();
    }

    @Test
    void createRun_defaults_describesTheRun() throws Exception {
        io.datainf.proto.v1.Run run = create(definition("r1"));

        assertThat(run.getRunId()).isEqualTo("r1");
        assertThat(run.getLayout()).isEqualTo(definition("r1").getLayout());
        assertThat(run.getStoredElementType()).isEqualTo(ElementType.ELEMENT_TYPE_F32);
        assertThat(run.getDampingScale()).isEqualTo(0.1);
        assertThat(run.getDimension()).isEqualTo(8);
        assertThat(run.getLayoutHash()).hasSize(64);
        assertThat(run.getSampleCount()).isZero();
        assertThat(run.getRevision()).isZero();
        assertThat(run.getCreateTime().getSeconds()).isPositive();
    }

    @Test
    void createRun_again_returnsTheExistingRun() throws Exception {
        io.datainf.proto.v1.Run.Builder all = definition("r1")
                .setStoredElementType(ElementType.ELEMENT_TYPE_BF16)
                .setDampingScale(0.5)
                .setCheckpoint("step-3000")
                .putLabels("team", "blue");
        io.datainf.proto.v1.Run first = create(all);
        assertThat(first.getLabelsMap()).containsEntry("team", "blue");
        assertThat(first.getCheckpoint()).isEqualTo("step-3000");

        assertThat(create(all)).isEqualTo(first);
    }

    @Test
    void createRun_otherDefinition_alreadyExistsNamesTheDifference() throws Exception {
        create(definition("r1"));
        Throwable thrown = catchThrowable(() -> create(definition("r1").setDampingScale(0.2)));
        assertStatus(thrown)
                .is(Code.ALREADY_EXISTS, "RUN_EXISTS")
                .says("r1", "damping", "0.1", "0.2")
                .mayNotBeRetried();
    }

    @Test
    void createRun_manyFaults_namesEachOne() {
        io.datainf.proto.v1.Run.Builder run = io.datainf.proto.v1.Run.newBuilder()
                .setRunId("../etc")
                .setLayout(BlockLayout.newBuilder()
                        .addBlocks(block("", 1, 1))
                        .addBlocks(block("ok", 0, 4))
                        .addBlocks(block("x".repeat(513), 1, 1))
                        .addBlocks(block("huge", 1L << 40, 1L << 40)))
                .setStoredElementType(ElementType.ELEMENT_TYPE_F16)
                .setDampingScale(Double.NaN)
                .setCheckpoint("é".repeat(129))
                .putLabels("", "no key");
        assertInvalid(
                run,
                "run.run_id",
                "run.layout.blocks[0].name",
                "run.layout.blocks[1]",
                "run.layout.blocks[2].name",
                "run.layout.blocks[3]",
                "run.stored_element_type",
                "run.damping_scale",
                "run.checkpoint",
                "run.labels key ''");
    }

    @Test
    void createRun_badLayout_isInvalid() {
        assertInvalid(definition("r1").clearLayout(), "run.layout");
        assertInvalid(
                definition("r1")
                        .setLayout(BlockLayout.newBuilder()
                                .addBlocks(block("twice", 1, 1))
                                .addBlocks(block("twice", 1, 1))),
                "run.layout");
        assertInvalid(
                definition("r1")
                        .setLayout(BlockLayout.newBuilder()
                                .addBlocks(block("a", 1, Integer.MAX_VALUE))
                                .addBlocks(block("b", 1, 1))),
                "run.layout");
    }

    @Test
    void createRun_badDampingTypeOrLabels_isInvalid() {
        assertInvalid(definition("r1").setDampingScale(0), "run.damping_scale");
        assertInvalid(definition("r1").setDampingScale(Double.POSITIVE_INFINITY), "run.damping_scale");
        assertInvalid(definition("r1").setStoredElementTypeValue(77), "run.stored_element_type");
        io.datainf.proto.v1.Run.Builder labelled = definition("r1");
        for (int i = 0; i < 65; i++) {
            labelled.putLabels("k" + i, "");
        }
        assertInvalid(labelled, "run.labels");
        assertInvalid(definition("r1").putLabels("k", "v".repeat(257)), "run.labels['k']");
    }

    @Test
    void getRun_unknown_isNotFound() {
        Throwable thrown = catchThrowable(() -> server.runService()
                .getRun(GetRunRequest.newBuilder().setRunId("nope").build()));
        assertStatus(thrown).is(Code.NOT_FOUND, "UNKNOWN_RUN").says("'nope'").mayNotBeRetried();
    }

    @Test
    void getRun_afterSamples_countsThem() throws Exception {
        Run run = server.createRun("r1", 2);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        writer.send(Wire.batch(1, 10, new float[] {1, 2}, new float[] {3, 4}));
        writer.ackOf(1);

        io.datainf.proto.v1.Run found = server.runService()
                .getRun(GetRunRequest.newBuilder().setRunId("r1").build())
                .getRun();
        assertThat(found.getSampleCount()).isEqualTo(2);
        assertThat(found.getRevision()).isEqualTo(2);
    }

    @Test
    void listRuns_pages_eachRunOnceInOrder() throws Exception {
        for (String id : List.of("c", "a", "e", "b", "d")) {
            server.createRun(id, 2);
        }
        List<String> seen = new ArrayList<>();
        ListRunsRequest.Builder request = ListRunsRequest.newBuilder().setPageSize(2);
        List<Integer> pages = new ArrayList<>();
        do {
            ListRunsResponse page = server.runService().listRuns(request.build());
            page.getRunsList().forEach(run -> seen.add(run.getRunId()));
            pages.add(page.getRunsCount());
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());

        assertThat(seen).containsExactly("a", "b", "c", "d", "e");
        assertThat(pages).containsExactly(2, 2, 1);
    }

    @Test
    void listRuns_exactlyOnePage_hasNoToken() throws Exception {
        server.createRun("a", 2);
        server.createRun("b", 2);
        ListRunsResponse page = server.runService()
                .listRuns(ListRunsRequest.newBuilder().setPageSize(2).build());
        assertThat(page.getRunsCount()).isEqualTo(2);
        assertThat(page.getNextPageToken()).isEmpty();
    }

    @Test
    void listRuns_badArguments_isInvalid() {
        assertStatus(catchThrowable(() -> server.runService()
                        .listRuns(ListRunsRequest.newBuilder().setPageSize(-1).build())))
                .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("page_size")
                .says("-1");
        for (String token : List.of("a", "%%%", "YWZ0ZXI6")) {
            assertStatus(catchThrowable(() -> server.runService()
                            .listRuns(ListRunsRequest.newBuilder()
                                    .setPageToken(token)
                                    .build())))
                    .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                    .violates("page_token")
                    .says(token);
        }
    }

    @Test
    void deleteRun_endsItsWriters_andIsGone() throws Exception {
        Run run = server.createRun("r1", 2);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        DeleteRunRequest request = DeleteRunRequest.newBuilder().setRunId("r1").build();

        server.runService().deleteRun(request);

        assertStatus(writer.fails()).is(Code.NOT_FOUND, "UNKNOWN_RUN").says("r1");
        assertStatus(catchThrowable(() -> server.runService().deleteRun(request)))
                .is(Code.NOT_FOUND, "UNKNOWN_RUN");
    }

    @Test
    void getStatistics_describesEachBlock() throws Exception {
        Run run = server.createRun("r1", 2, 1);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        writer.send(Wire.batch(
                1, 1, new float[] {3, 4, 0}, new float[] {0, 0, 0}, new float[] {1, 0, 0}, new float[] {0, 3, 0}));
        writer.ackOf(1);

        GetStatisticsResponse statistics = statistics("r1");

        assertThat(statistics.getRevision()).isEqualTo(4);
        assertThat(statistics.getSampleCount()).isEqualTo(4);
        BlockStatistics first = statistics.getBlocks(0);
        assertThat(first.getName()).isEqualTo("b0");
        assertThat(first.getDimension()).isEqualTo(2);
        assertThat(first.getSquaredNormSum()).isEqualTo(35);
        assertThat(first.getDamping()).isEqualTo(0.1 / (4 * 2) * 35);
        assertThat(first.getSquaredNormMin()).isZero();
        assertThat(first.getSquaredNormMedian()).isEqualTo(5);
        assertThat(first.getSquaredNormMax()).isEqualTo(25);
        assertThat(first.getZeroGradientCount()).isEqualTo(1);
        assertThat(first.getSkipped()).isFalse();
        BlockStatistics second = statistics.getBlocks(1);
        assertThat(second.getZeroGradientCount()).isEqualTo(4);
        assertThat(second.getDamping()).isZero();
        assertThat(second.getSkipped()).isTrue();
    }

    @Test
    void getStatistics_emptyRun_isAllZero() throws Exception {
        server.createRun("r1", 2);
        GetStatisticsResponse statistics = statistics("r1");
        assertThat(statistics.getSampleCount()).isZero();
        assertThat(statistics.getBlocks(0).getDamping()).isZero();
        assertThat(statistics.getBlocks(0).getSquaredNormMedian()).isZero();
        assertThat(statistics.getBlocks(0).getSkipped()).isTrue();
    }

    @Test
    void getStatistics_unknownRun_isNotFound() {
        assertStatus(catchThrowable(() -> statistics("nope"))).is(Code.NOT_FOUND, "UNKNOWN_RUN");
    }

    private GetStatisticsResponse statistics(String runId) throws Exception {
        return server.runService()
                .getStatistics(GetStatisticsRequest.newBuilder().setRunId(runId).build());
    }
}
