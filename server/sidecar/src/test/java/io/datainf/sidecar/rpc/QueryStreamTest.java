package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import com.google.rpc.Status;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.GradientChunk;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.query.QueryLimits;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QueryStreamTest {

    private static final int DIMENSION = 4;
    private static final float[] POINT = {1, 2, 3, 4};
    private static final float[] OTHER_POINT = {-4, 3, -2, 1};

    private TestServer server;
    private Run run;
    private BlockingClientCall<QueryStreamRequest, QueryStreamResponse> call;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory, new QueryLimits(200, 1L << 20, 1 << 20));
        run = server.createRun("r1", DIMENSION);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        writer.send(Wire.batch(1, 0, new float[] {1, 0, 0, 1}, new float[] {0, 2, 1, 0}, new float[] {3, 0, 0, 3}));
        writer.ackOf(1);
        call = server.influenceService().queryStream();
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static QuerySpec.Builder spec(int count) {
        return QuerySpec.newBuilder()
                .setRunId("r1")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(count));
    }

    private static QuerySpec.Builder stored(long... ids) {
        StoredSamples.Builder samples = StoredSamples.newBuilder();
        Arrays.stream(ids).forEach(samples::addSampleIds);
        return QuerySpec.newBuilder().setRunId("r1").setStoredSamples(samples);
    }

    private void open(String queryId, QuerySpec.Builder spec) throws Exception {
        call.write(QueryStreamRequest.newBuilder()
                .setQueryId(queryId)
                .setSpec(spec)
                .build());
    }

    private void chunk(String queryId, long offset, float... elements) throws Exception {
        chunk(queryId, offset, Wire.f32(elements));
    }

    private void chunk(String queryId, long offset, ByteString gradients) throws Exception {
        call.write(QueryStreamRequest.newBuilder()
                .setQueryId(queryId)
                .setChunk(GradientChunk.newBuilder().setElementOffset(offset).setGradients(gradients))
                .build());
    }

    private @Nullable QueryStreamResponse read() throws Exception {
        return call.read(20, TimeUnit.SECONDS);
    }

    /** Answers and errors of the stream by query id. */
    private record Outcomes(Map<String, Answer> answers, Map<String, Status> errors) {

        Answer answer(String queryId) {
            return Objects.requireNonNull(answers.get(queryId), queryId);
        }

        Status error(String queryId) {
            return Objects.requireNonNull(errors.get(queryId), queryId);
        }
    }

    /** Reads until {@code count} queries are over. */
    private Outcomes outcomes(int count) throws Exception {
        Outcomes outcomes = new Outcomes(new HashMap<>(), new HashMap<>());
        int over = 0;
        while (over < count) {
            QueryStreamResponse response = read();
            assertThat(response).isNotNull();
            if (response.hasError()) {
                assertThat(outcomes.errors().put(response.getQueryId(), response.getError()))
                        .isNull();
                over++;
            } else if (outcomes.answers()
                    .computeIfAbsent(response.getQueryId(), id -> new Answer())
                    .add(response)) {
                over++;
            }
        }
        return outcomes;
    }

    private double[] alone(float[] point) throws Exception {
        return Answer.read(server.influenceService()
                        .query(QueryRequest.newBuilder()
                                .setSpec(spec(1))
                                .setGradients(Wire.f32(point))
                                .build()))
                .scores(0);
    }

    private StatusAssert assertStreamFails(Code code, String reason) {
        Throwable thrown = catchThrowable(() -> {
            while (read() != null) {}
        });
        assertThat(thrown).isInstanceOf(StatusException.class);
        return assertStatus(thrown).is(code, reason);
    }

    @Test
    void queryStream_interleavedChunks_answersEachQuery() throws Exception {
        open("a", spec(1));
        open("b", spec(2));
        chunk("a", 0, 1);
        chunk("b", 0, -4, 3);
        chunk("b", 2, -2, 1, 1, 2);
        chunk("a", 1, 2, 3);
        open("c", stored(1));
        chunk("a", 3, 4);
        chunk("b", 6, 3, 4);
        call.halfClose();

        Outcomes outcomes = outcomes(3);
        assertThat(read()).isNull();
        assertThat(outcomes.errors()).isEmpty();
        assertThat(outcomes.answer("a").scores(0)).isEqualTo(alone(POINT));
        assertThat(outcomes.answer("b").scores(0)).isEqualTo(alone(OTHER_POINT));
        assertThat(outcomes.answer("b").scores(1)).isEqualTo(alone(POINT));
        assertThat(outcomes.answer("c").scores(0)).isEqualTo(alone(new float[] {0, 2, 1, 0}));
    }

    @Test
    void queryStream_answersComeBeforeTheHalfClose() throws Exception {
        open("a", spec(1));
        chunk("a", 0, POINT);
        assertThat(outcomes(1).answers()).containsKey("a");
        open("a", stored(0));
        assertThat(outcomes(1).answers()).containsKey("a");
    }

    @Test
    void queryStream_failedQueries_doNotEndTheStream() throws Exception {
        open("unknown-run", spec(1).setRunId("nope"));
        chunk("unknown-run", 0, POINT); // on its way when the query failed
        open("method", spec(1).setMethodValue(99));
        open("offset", spec(1));
        chunk("offset", 1, 1);
        chunk("offset", 0, POINT);
        open("too-long", spec(1));
        chunk("too-long", 0, 1, 2, 3, 4, 5);
        open("ragged", spec(1));
        chunk("ragged", 0, ByteString.copyFrom(new byte[6]));
        open("nan", spec(1));
        chunk("nan", 0, 1, 2);
        chunk("nan", 2, 3, Float.NaN);
        open("sample", stored(0, 99));
        open("memory", spec(1 << 20));
        open("good", spec(1));
        chunk("good", 0, POINT);
        open("short", spec(1));
        chunk("short", 0, 1, 2);
        call.halfClose();

        Outcomes outcomes = outcomes(10);
        assertThat(read()).isNull();
        assertThat(outcomes.answers()).containsOnlyKeys("good");
        assertError(outcomes, "unknown-run", Code.NOT_FOUND, "UNKNOWN_RUN");
        assertError(outcomes, "method", Code.UNIMPLEMENTED, "NOT_OFFERED");
        assertError(outcomes, "offset", Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("chunk.element_offset")
                .says("is 1", "expected 0");
        assertError(outcomes, "too-long", Code.INVALID_ARGUMENT, "INVALID_GRADIENTS")
                .says("5 elements", "at most 4");
        assertError(outcomes, "ragged", Code.INVALID_ARGUMENT, "INVALID_GRADIENTS")
                .says("6 bytes", "multiple of 4");
        assertError(outcomes, "nan", Code.INVALID_ARGUMENT, "INVALID_GRADIENTS")
                .says("validation point 0", "'b0'", "element 3", "NaN");
        assertError(outcomes, "sample", Code.INVALID_ARGUMENT, "UNKNOWN_SAMPLE").says("99");
        assertError(outcomes, "memory", Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE");
        assertError(outcomes, "short", Code.INVALID_ARGUMENT, "INVALID_FIELD").says("'short'");
    }

    private static StatusAssert assertError(Outcomes outcomes, String queryId, Code code, String reason) {
        return assertStatus(outcomes.error(queryId)).is(code, reason);
    }

    @Test
    void queryStream_badQueryId_endsTheStream() throws Exception {
        open("", spec(1));
        assertStreamFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").violates("query_id");
        call = server.influenceService().queryStream();
        open("x".repeat(65), spec(1));
        assertStreamFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").says("65 bytes");
    }

    @Test
    void queryStream_chunkOfNoOpenQuery_endsTheStream() throws Exception {
        chunk("a", 0, POINT);
        assertStreamFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").says("'a'");
    }

    @Test
    void queryStream_idOfAnOpenQuery_endsTheStreamAndLetsGo() throws Exception {
        open("a", spec(1));
        chunk("a", 0, 1);
        open("a", spec(1));
        assertStreamFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").says("'a'", "open");
    }

    @Test
    void queryStream_emptyMessage_endsTheStream() throws Exception {
        call.write(QueryStreamRequest.newBuilder().setQueryId("a").build());
        assertStreamFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").violates("part");
    }

    @Test
    void queryStream_oversizedMessage_endsTheStream() throws Exception {
        open("a", spec(1));
        chunk("a", 0, new float[(4 << 20) / 4]);
        assertStreamFails(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE").says("max_message_bytes");
    }

    @Test
    void queryStream_moreQueriesThanItReadsAtOnce_answersAll() throws Exception {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 150; i++) {
            ids.add("q" + i);
            open("q" + i, stored(i % 3));
        }
        call.halfClose();
        Outcomes outcomes = outcomes(150);
        assertThat(outcomes.answers().keySet()).containsExactlyInAnyOrderElementsOf(ids);
        assertThat(read()).isNull();
    }

    @Test
    void queryStream_tooManyUnfinishedQueries_areRefused() throws Exception {
        for (int i = 0; i < 65; i++) {
            open("q" + i, spec(1));
        }
        Outcomes refused = outcomes(1);
        assertError(refused, "q64", Code.RESOURCE_EXHAUSTED, "TOO_MANY_OPEN_QUERIES")
                .mayBeRetried();
        chunk("q0", 0, POINT);
        assertThat(outcomes(1).answers()).containsKey("q0");
    }

    @Test
    void queryStream_cancel_letsEverythingGo() throws Exception {
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 0)) {
            open("waiting", stored(0));
            open("unfinished", spec(1));
            chunk("unfinished", 0, 1);
            Await.until("the query to wait", () -> server.queries.queueDepth() == 1);
            call.cancel("the test gives up", null);
            Await.until("the query to go", () -> server.queries.queueDepth() == 0);
            busy.letGo();
        }
    }
}
