package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunId;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.ReadSamplesRequest;
import io.datainf.proto.v1.ReadSamplesResponse;
import io.datainf.sidecar.Await;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Samples that come back as they went in. */
class ExportGrpcServiceTest {

    private static final long PATIENCE_SECONDS = 60;
    private static final double TOLERANCE = 1e-12;

    @TempDir
    private Path dataDirectory;

    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        server = new TestServer(dataDirectory);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static ReadSamplesRequest.Builder all(String runId) {
        return ReadSamplesRequest.newBuilder().setRunId(runId).setAll(AllSamples.getDefaultInstance());
    }

    private static ReadSamplesRequest.Builder given(String runId, Long... ids) {
        return ReadSamplesRequest.newBuilder()
                .setRunId(runId)
                .setGiven(GivenSamples.newBuilder().addAllSampleIds(List.of(ids)));
    }

    private BlockingClientCall<?, ReadSamplesResponse> call(ReadSamplesRequest.Builder request) {
        return server.exportService(server.channel).readSamples(request.build());
    }

    private ReadReply read(ReadSamplesRequest.Builder request) throws Exception {
        return ReadReply.read(call(request));
    }

    private StatusAssert assertFails(ReadSamplesRequest.Builder request, Code code, String reason) {
        BlockingClientCall<?, ReadSamplesResponse> call = call(request);
        return assertStatus(catchThrowable(() -> call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)))
                .is(code, reason);
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void readSamples_all_areTheBytesThatWerePushed_alsoAfterARestart(ElementType storedType) throws Exception {
        GoldenCase golden = GoldenCase.read("lora-r4-minilm");
        Run run = server.createRun("golden", storedType, golden.layout());
        float[][] train = golden.train();
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        int half = train.length / 2;
        writer.send(Wire.batch(1, 1_000, Arrays.copyOfRange(train, 0, half))
                .addAllSteps(LongStream.range(7, 7 + half).boxed().toList()));
        writer.send(Wire.batch(2, 1_000 + half, Arrays.copyOfRange(train, half, train.length)));
        writer.ackOf(2);

        assertGolden(read(all("golden")), golden, storedType, half);
        writer.halfClose();
        writer.endsWell();
        server.close();
        server = new TestServer(dataDirectory);
        assertGolden(read(all("golden")), golden, storedType, half);
    }

    private void assertGolden(ReadReply reply, GoldenCase golden, ElementType storedType, int stepCount)
            throws Exception {
        float[][] train = golden.train();
        int n = train.length;
        assertThat(reply.ids())
                .isEqualTo(LongStream.range(1_000, 1_000 + n).boxed().toList());
        assertThat(reply.steps())
                .isEqualTo(IntStream.range(0, n)
                        .mapToObj(i -> i < stepCount ? 7L + i : 0L)
                        .toList());
        for (int i = 0; i < n; i++) {
            assertThat(reply.rows().get(i)).describedAs("row %d", i).isEqualTo(Wire.encode(storedType, train[i]));
        }
        assertThat(reply.header().getRun().getSampleCount()).isEqualTo(n);
        assertThat(reply.header().getRun().getRevision()).isEqualTo(n);
        var statistics = server.runService()
                .getStatistics(
                        GetStatisticsRequest.newBuilder().setRunId("golden").build());
        for (int l = 0; l < golden.layout().blockCount(); l++) {
            int block = l;
            double sum = statistics.getBlocks(l).getSquaredNormSum();
            assertThat(reply.squaredNorms().stream().mapToDouble(q -> q[block]).sum())
                    .isCloseTo(sum, within(TOLERANCE * sum));
            assertThat(reply.header().getDampings().getValues(l))
                    .isEqualTo(statistics.getBlocks(l).getDamping());
        }
    }

    @Test
    void readSamples_smallRows_areGrouped_andLargeOnesCut() throws Exception {
        int smallCount = 3_000;
        Run small = server.createRun("small", 256);
        float[][] rows = new float[smallCount][256];
        for (int i = 0; i < smallCount; i++) {
            Arrays.fill(rows[i], i + 1);
        }
        RandomRun.append(server, small, 1, 0, Arrays.copyOfRange(rows, 0, 1_500));
        RandomRun.append(server, small, 2, 1_500, Arrays.copyOfRange(rows, 1_500, smallCount));
        ReadReply reply = read(all("small"));
        assertThat(reply.rows()).isEqualTo(Arrays.stream(rows).map(Wire::f32).toList());
        assertThat(reply.chunkCount()).isEqualTo(2);

        int width = 1_200_001;
        float[] wide = new float[width];
        for (int j = 0; j < width; j++) {
            wide[j] = j % 1_000;
        }
        Run large = server.createRun("large", width);
        TestWriter writer = TestWriter.open(server, large.definition(), "w");
        for (int id = 1; id <= 2; id++) {
            wide[0] = id;
            writer.send(Wire.fragment(id, id, wide, 0, 700_000).addSteps(id));
            writer.send(Wire.fragment(id, id, wide, 700_000, width).addSteps(id));
        }
        writer.ackOf(2);
        ReadReply cut = read(given("large", 2L, 1L, 2L));
        assertThat(cut.ids()).containsExactly(2L, 1L, 2L);
        assertThat(cut.steps()).containsExactly(2L, 1L, 2L);
        assertThat(cut.chunkCount()).isEqualTo(9);
        assertThat(cut.rows().getFirst())
                .isEqualTo(Wire.f32(wide))
                .isEqualTo(cut.rows().getLast());
        assertThat(cut.rows().get(1)).isNotEqualTo(cut.rows().getFirst());
    }

    @Test
    void readSamples_deletedAndReplacedSamples_areGoneOrNew() throws Exception {
        float[][] rows = RandomRun.rows(4, 1);
        Run run = RandomRun.create(server, "r1", rows);
        run.deleteSamples(new long[] {11}).toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        RandomRun.append(server, run, 2, 10, rows[3]);
        ReadReply reply = read(all("r1"));
        assertThat(reply.ids()).containsExactly(12L, 13L, 10L);
        assertThat(reply.rows()).containsExactly(Wire.f32(rows[2]), Wire.f32(rows[3]), Wire.f32(rows[3]));
        assertFails(given("r1", 10L, 11L), Code.NOT_FOUND, "UNKNOWN_SAMPLES").says("1 of 2 samples: 11");
    }

    @Test
    void readSamples_emptyRun_isAHeader() throws Exception {
        server.createRun("empty", RandomRun.WIDTHS);
        ReadReply reply = read(all("empty"));
        assertThat(reply.ids()).isEmpty();
        assertThat(reply.header().getDampings().getValuesList()).containsExactly(0.0, 0.0);
        assertFails(given("empty", 1L), Code.NOT_FOUND, "UNKNOWN_SAMPLES");
    }

    @Test
    void readSamples_revision_isExactlyTheOneAskedFor() throws Exception {
        Run run = RandomRun.create(server, "r1", RandomRun.rows(3, 1));
        assertThat(read(all("r1").setRevision(3)).ids()).hasSize(3);
        assertThat(read(all("r1").setMinRevision(2)).ids()).hasSize(3);
        assertFails(all("r1").setRevision(4), Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED")
                .mayBeRetried();
        assertFails(all("r1").setMinRevision(4), Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED")
                .mayBeRetried();
        RandomRun.append(server, run, 2, 99, RandomRun.rows(1, 2));
        assertFails(all("r1").setRevision(3), Code.OUT_OF_RANGE, "REVISION_GONE")
                .says("revision is 3", "at revision 4")
                .mayNotBeRetried();
    }

    @Test
    void readSamples_badRequests_areNamed() throws Exception {
        RandomRun.create(server, "r1", RandomRun.rows(3, 1));
        assertFails(all("none"), Code.NOT_FOUND, "UNKNOWN_RUN");
        assertFails(all("no id"), Code.INVALID_ARGUMENT, "INVALID_FIELD").violates("run_id");
        assertFails(all("r1").clearSamples(), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("samples");
        assertFails(given("r1").setRevision(-1), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("given.sample_ids", "revision");
        assertFails(all("r1").setRevision(1).setMinRevision(1), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("revision");
        Long[] many = LongStream.range(100, 115).boxed().toArray(Long[]::new);
        assertFails(given("r1", many), Code.NOT_FOUND, "UNKNOWN_SAMPLES")
                .says("15 of 15 samples: 100, 101", "109, ...")
                .saysNot("110");
    }

    /** Stores 24 MiB, more than the transport holds. */
    private Run storeLarge() throws Exception {
        Run run = server.createRun("large", 1 << 18);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        float[] row = new float[1 << 18];
        for (int id = 1; id <= 24; id++) {
            Arrays.fill(row, id);
            writer.send(Wire.batch(id, id, row));
        }
        writer.ackOf(24);
        writer.halfClose();
        writer.endsWell();
        return run;
    }

    @Test
    void readSamples_slowReader_getsItsRevisionWhateverHappensToTheRun() throws Exception {
        Run run = storeLarge();
        ManagedChannel slowChannel = server.newChannel();
        BlockingClientCall<?, ReadSamplesResponse> slow =
                server.exportService(slowChannel).readSamples(all("large").build());
        ReadSamplesResponse first = slow.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(first).isNotNull();
        run.deleteSamples(LongStream.rangeClosed(1, 20).toArray())
                .toCompletableFuture()
                .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        server.runs.delete(new RunId("large"));
        assertThat(server.runs.figures().memoryBytes()).isPositive();

        ReadReply reply = ReadReply.readRest(first.getHeader(), slow);
        assertThat(reply.ids()).isEqualTo(LongStream.rangeClosed(1, 24).boxed().toList());
        for (int id = 1; id <= 24; id++) {
            float[] row = new float[1 << 18];
            Arrays.fill(row, id);
            ByteString expected = Wire.f32(row);
            assertThat(reply.rows().get(id - 1).equals(expected)).isTrue();
        }
        Await.until("the rows to be let go", () -> server.runs.figures().memoryBytes() == 0);
        slowChannel.shutdownNow().awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void readSamples_readerGivesUpOrIsOutOfTime_letsTheRowsGo() throws Exception {
        storeLarge();
        BlockingClientCall<?, ReadSamplesResponse> cancelled = call(all("large"));
        assertThat(cancelled.read(PATIENCE_SECONDS, TimeUnit.SECONDS)).isNotNull();
        BlockingClientCall<?, ReadSamplesResponse> late = server.exportService(server.channel)
                .withDeadlineAfter(5, TimeUnit.SECONDS)
                .readSamples(all("large").build());
        assertThat(late.read(PATIENCE_SECONDS, TimeUnit.SECONDS)).isNotNull();
        server.runs.delete(new RunId("large"));
        assertThat(server.runs.figures().memoryBytes()).isPositive();

        cancelled.cancel("the test gives up", null);
        Await.until("the rows to be let go", () -> server.runs.figures().memoryBytes() == 0);
        assertThat(catchThrowable(() -> {
                    while (late.read(PATIENCE_SECONDS, TimeUnit.SECONDS) != null) {}
                }))
                .isInstanceOfSatisfying(
                        StatusException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(io.grpc.Status.Code.DEADLINE_EXCEEDED));
    }
}
