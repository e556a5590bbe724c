package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.rpc.Code;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.Damping;
import io.datainf.proto.v1.FixedDamping;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Ranking;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.proto.v1.TopSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.query.QueryLimits;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InfluenceGrpcServiceTest {

    // Ids in the order of storage; the block b1 is zero in all of them.
    private static final long[] IDS = {7, 3, -1, 5};
    private static final float[][] ROWS = {{1, 0, 0}, {2, 2, 0}, {0, -1, 0}, {1, 0, 0}};
    private static final float[] POINT = {1, 0.5f, 2};

    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory, new QueryLimits(1, 1L << 20, 1 << 20));
        run = server.createRun("r1", 2, 1);
        store(run, ROWS);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private void store(Run target, float[]... rows) throws Exception {
        TestWriter writer = TestWriter.open(server, target.definition(), "w");
        for (int i = 0; i < rows.length; i++) {
            writer.send(Wire.batch(i + 1, IDS[i], rows[i]));
        }
        writer.ackOf(rows.length);
        writer.halfClose();
        writer.endsWell();
    }

    private static QuerySpec.Builder spec() {
        return QuerySpec.newBuilder()
                .setRunId("r1")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(1));
    }

    private BlockingClientCall<?, QueryResponse> call(QuerySpec.Builder spec, ByteString gradients) {
        return server.influenceService()
                .query(QueryRequest.newBuilder()
                        .setSpec(spec)
                        .setGradients(gradients)
                        .build());
    }

    private Answer query(QuerySpec.Builder spec) throws Exception {
        return Answer.read(call(spec, spec.hasStoredSamples() ? ByteString.EMPTY : Wire.f32(POINT)));
    }

    private StatusAssert assertFails(QuerySpec.Builder spec, ByteString gradients, Code code, String reason) {
        return assertStatus(catchThrowable(() -> Answer.read(call(spec, gradients))))
                .is(code, reason);
    }

    private StatusAssert assertFails(QuerySpec.Builder spec, Code code, String reason) {
        return assertFails(spec, Wire.f32(POINT), code, reason);
    }

    /** DataInf on block b0 in plain double arithmetic; b1 is skipped. */
    private static double[] expectedScores(double scale) {
        double sumOfQ = 0;
        for (float[] g : ROWS) {
            sumOfQ += q(g);
        }
        double lambda = scale / (ROWS.length * 2) * sumOfQ;
        double[] r = new double[2];
        for (float[] g : ROWS) {
            double weight = (POINT[0] * g[0] + POINT[1] * g[1]) / (lambda + q(g)) / ROWS.length;
            r[0] += weight * g[0];
            r[1] += weight * g[1];
        }
        double[] scores = new double[ROWS.length];
        for (int k = 0; k < scores.length; k++) {
            scores[k] = -((POINT[0] - r[0]) * ROWS[k][0] + (POINT[1] - r[1]) * ROWS[k][1]) / lambda;
        }
        return scores;
    }

    private static double q(float[] g) {
        return g[0] * g[0] + g[1] * g[1];
    }

    @Test
    void query_defaults_answersWithSnapshotScoresAndSummary() throws Exception {
        Answer answer = query(spec());

        Snapshot snapshot = answer.snapshot();
        assertThat(snapshot.getSampleCount()).isEqualTo(4);
        assertThat(snapshot.getRevision()).isEqualTo(4);
        assertThat(snapshot.getMethod()).isEqualTo(InfluenceMethod.INFLUENCE_METHOD_DATAINF);
        assertThat(snapshot.getStoredElementType()).isEqualTo(io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F32);
        assertThat(snapshot.getEngine()).isEqualTo("vector");
        assertThat(snapshot.getDampingsCount()).isEqualTo(1);
        assertThat(snapshot.getDampings(0).getValues(0)).isEqualTo(0.1 / 8 * 11);
        assertThat(snapshot.getDampings(0).getValues(1)).isZero();
        assertThat(snapshot.getDampings(0).getSkippedBlocksList()).containsExactly(1);
        assertThat(answer.ids(0)).containsExactly(7L, 3L, -1L, 5L);
        assertThat(Answer.relativeError(answer.scores(0), expectedScores(0.1))).isLessThan(1e-12);
        assertThat(answer.seriesCount()).isEqualTo(1);
        assertThat(answer.summary().getRelativeErrorBound()).isBetween(0.0, 1e-5);
        assertThat(answer.summary().hasQueueDuration()).isTrue();
        assertThat(answer.summary().getComputeDuration()).isNotEqualTo(Duration.getDefaultInstance());
        assertThat(answer.summary().hasRespondDuration()).isTrue();
        Await.until("answered queries to be counted", () -> server.events.answeredQueries.get() == 1);
    }

    @Test
    void query_replacedSample_isNotSelected() throws Exception {
        TestWriter writer = TestWriter.open(server, run.definition(), "other");
        writer.send(Wire.batch(1, 7, new float[] {9, 9, 0}));
        writer.ackOf(1);
        Answer answer = query(spec());
        assertThat(answer.ids(0)).containsExactly(3L, -1L, 5L, 7L);
        assertThat(answer.snapshot().getSampleCount()).isEqualTo(4);
        assertThat(answer.snapshot().getRevision()).isEqualTo(5);
    }

    @Test
    void query_top_ranksAndBreaksTiesById() throws Exception {
        double[] scores = expectedScores(0.1); // of ids 7, 3, -1, 5, with 7 and 5 equal
        assertThat(scores[1]).isLessThan(scores[0]);
        assertThat(scores[0]).isLessThan(0);
        assertThat(scores[2]).isGreaterThan(0);

        assertThat(top(2, Ranking.RANKING_UNSPECIFIED).ids(0)).containsExactly(-1L, 5L);
        assertThat(top(4, Ranking.RANKING_MOST_HARMFUL).ids(0)).containsExactly(-1L, 5L, 7L, 3L);
        assertThat(top(99, Ranking.RANKING_MOST_HELPFUL).ids(0)).containsExactly(3L, 5L, 7L, -1L);
        Answer absolute = top(1, Ranking.RANKING_ABSOLUTE);
        assertThat(absolute.ids(0)).containsExactly(3L);
        assertThat(absolute.scores(0)[0]).isEqualTo(query(spec()).scores(0)[1]);
    }

    private Answer top(long count, Ranking ranking) throws Exception {
        return query(spec().setSelection(Selection.newBuilder()
                .setTop(TopSamples.newBuilder().setCount(count).setRanking(ranking))));
    }

    @Test
    void query_given_keepsTheOrderGiven() throws Exception {
        Answer answer = query(spec().setSelection(Selection.newBuilder()
                        .setGiven(GivenSamples.newBuilder()
                                .addSampleIds(5)
                                .addSampleIds(-1)
                                .addSampleIds(5)))
                .setPerBlock(true));
        double[] all = query(spec()).scores(0);
        assertThat(answer.ids(0)).containsExactly(5L, -1L, 5L);
        assertThat(answer.scores(0)).containsExactly(all[3], all[2], all[3]);
        assertThat(answer.blockScores(0, 0)).containsExactly(all[3], all[2], all[3]);
        assertThat(answer.blockScores(0, 1)).containsExactly(0, 0, 0);
    }

    @Test
    void query_storedSamples_takeThePlaceOfGradients() throws Exception {
        Answer answer = query(spec().setStoredSamples(
                        StoredSamples.newBuilder().addSampleIds(3).addSampleIds(7)));
        Answer sent = Answer.read(call(
                spec().setValidationGradients(ValidationGradients.newBuilder().setCount(2)),
                Wire.f32(ROWS[1], ROWS[0])));
        assertThat(answer.scores(0)).isEqualTo(sent.scores(0));
        assertThat(answer.scores(1)).isEqualTo(sent.scores(1));
    }

    @Test
    void query_otherEncodings_areWidened() throws Exception {
        double[] expected = query(spec()).scores(0);
        for (ElementType type : ElementType.values()) {
            Answer answer = Answer.read(call(
                    spec().setValidationGradients(ValidationGradients.newBuilder()
                            .setCount(1)
                            .setElementType(ElementTypes.encode(type))),
                    Wire.encode(type, POINT)));
            assertThat(answer.scores(0)).isEqualTo(expected);
        }
    }

    @Test
    void query_severalDampings_areAnsweredApart() throws Exception {
        Answer answer = query(spec().addDampings(Damping.newBuilder().setScale(0.1))
                .addDampings(Damping.newBuilder().setScale(1))
                .addDampings(Damping.newBuilder()
                        .setFixed(FixedDamping.newBuilder().addValues(11.0 / 8).addValues(5)))
                .addDampings(
                        Damping.newBuilder().setFixed(FixedDamping.newBuilder().addValues(11.0 / 8))));
        assertThat(answer.snapshot().getDampingsCount()).isEqualTo(4);
        assertThat(answer.snapshot().getDampings(2).getSkippedBlocksList()).containsExactly(1);
        assertThat(Answer.relativeError(answer.scores(0, 0), expectedScores(0.1)))
                .isLessThan(1e-12);
        for (int damping = 1; damping < 4; damping++) {
            assertThat(Answer.relativeError(answer.scores(0, damping), expectedScores(1)))
                    .isLessThan(1e-12);
        }
    }

    @Test
    void query_reproducible_isBitIdentical() throws Exception {
        double[] first = query(spec().setReproducible(true)).scores(0);
        assertThat(query(spec().setReproducible(true)).scores(0)).isEqualTo(first);
    }

    @Test
    void query_minRevisionReached_answers() throws Exception {
        assertThat(query(spec().setMinRevision(4)).snapshot().getRevision()).isEqualTo(4);
    }

    @Test
    void query_minRevisionNotReached_mayBeRetried() {
        assertFails(spec().setMinRevision(5), Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED")
                .says("5", "revision 4")
                .mayBeRetried();
    }

    @Test
    void query_emptyRun_isFailedPrecondition() throws Exception {
        server.createRun("empty", 2, 1);
        assertFails(spec().setRunId("empty"), Code.FAILED_PRECONDITION, "EMPTY_RUN")
                .says("'empty'")
                .mayNotBeRetried();
    }

    @Test
    void query_unknownRun_isNotFound() {
        assertFails(spec().setRunId("nope"), Code.NOT_FOUND, "UNKNOWN_RUN").says("nope");
    }

    @Test
    void query_wrongLength_namesGotAndExpectedBytes() {
        assertFails(spec(), Wire.f32(new float[2]), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("gradients")
                .says("8 bytes", "expected 12");
        assertFails(spec(), Wire.f32(new float[6]), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .says("24 bytes", "expected 12");
        assertFails(
                        spec().setStoredSamples(StoredSamples.newBuilder().addSampleIds(7)),
                        Code.INVALID_ARGUMENT,
                        "INVALID_FIELD")
                .violates("gradients")
                .says("expected none");
    }

    @Test
    void query_notFiniteGradient_namesPointBlockAndElement() {
        QuerySpec.Builder two =
                spec().setValidationGradients(ValidationGradients.newBuilder().setCount(2));
        assertFails(two, Wire.f32(POINT, new float[] {1, Float.NaN, 1}), Code.INVALID_ARGUMENT, "INVALID_GRADIENTS")
                .says("validation point 1", "'b0'", "element 1", "NaN");
        assertFails(
                        two,
                        Wire.f32(new float[] {1, 1, Float.NEGATIVE_INFINITY}, POINT),
                        Code.INVALID_ARGUMENT,
                        "INVALID_GRADIENTS")
                .says("validation point 0", "'b1'", "element 0", "-Infinity");
    }

    @Test
    void query_unknownSamples_areInvalid() {
        assertStatus(catchThrowable(() ->
                        query(spec().setStoredSamples(StoredSamples.newBuilder().addSampleIds(4)))))
                .is(Code.INVALID_ARGUMENT, "UNKNOWN_SAMPLE")
                .says("4");
        assertFails(
                        spec().setSelection(Selection.newBuilder()
                                .setGiven(GivenSamples.newBuilder().addSampleIds(-2))),
                        Code.INVALID_ARGUMENT,
                        "UNKNOWN_SAMPLE")
                .says("18446744073709551614");
        Await.until("failed queries to be counted", () -> server.events.failedQueries.get() == 2);
    }

    @Test
    void query_manyFaults_namesEachOne() {
        QuerySpec.Builder bad = spec().setValidationGradients(
                        ValidationGradients.newBuilder().setCount(0).setElementTypeValue(9))
                .addDampings(Damping.newBuilder().setScale(0))
                .addDampings(Damping.getDefaultInstance())
                .addDampings(Damping.newBuilder().setFixed(FixedDamping.newBuilder()))
                .addDampings(Damping.newBuilder()
                        .setFixed(FixedDamping.newBuilder().addValues(1).addValues(Double.NaN)))
                .setSelection(Selection.newBuilder().setTop(TopSamples.newBuilder()))
                .setMinRevision(-1);
        assertFails(bad, Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates(
                        "spec.validation_gradients.count",
                        "spec.validation_gradients.element_type",
                        "spec.dampings[0]",
                        "spec.dampings[1]",
                        "spec.dampings[2]",
                        "spec.dampings[3]",
                        "spec.selection.top.count",
                        "spec.min_revision")
                .mayNotBeRetried();
    }

    @Test
    void query_missingParts_areInvalid() {
        assertInvalid(spec().clearSource(), "spec.source");
        assertInvalid(spec().setStoredSamples(StoredSamples.newBuilder()), "spec.stored_samples.sample_ids");
        assertInvalid(spec().setSelection(Selection.newBuilder()), "spec.selection");
        assertInvalid(
                spec().setSelection(Selection.newBuilder().setGiven(GivenSamples.newBuilder())),
                "spec.selection.given.sample_ids");
        assertInvalid(
                spec().setSelection(Selection.newBuilder()
                                .setTop(TopSamples.newBuilder().setCount(1)))
                        .setPerBlock(true),
                "spec.per_block");
    }

    private void assertInvalid(QuerySpec.Builder spec, String field) {
        assertFails(spec, Code.INVALID_ARGUMENT, "INVALID_FIELD").violates(field);
    }

    @Test
    void query_extremeDamping_isInvalid() {
        assertFails(
                        spec().addDampings(Damping.newBuilder()
                                .setFixed(FixedDamping.newBuilder().addValues(Double.MIN_VALUE))),
                        Code.INVALID_ARGUMENT,
                        "INVALID_GRADIENTS")
                .violates("spec.dampings");
    }

    @Test
    void query_notOffered_isUnimplementedByName() {
        assertUnimplemented(spec().setMethodValue(77), "77");
        assertUnimplemented(spec().setNormalizationValue(78), "78");
        assertUnimplemented(spec().setAggregationValue(79), "79");
        assertUnimplemented(
                spec().setSelection(Selection.newBuilder()
                        .setTop(TopSamples.newBuilder().setCount(1).setRankingValue(80))),
                "80");
    }

    private void assertUnimplemented(QuerySpec.Builder spec, String name) {
        assertFails(spec, Code.UNIMPLEMENTED, "NOT_OFFERED").says(name);
    }

    @Test
    void query_requestTooLarge_isResourceExhaustedForGood() {
        assertFails(
                        spec().setValidationGradients(
                                        ValidationGradients.newBuilder().setCount(1 << 30)),
                        Code.RESOURCE_EXHAUSTED,
                        "REQUEST_TOO_LARGE")
                .says("count 1073741824 * D 3", Integer.toString(32 << 20))
                .mayNotBeRetried();
        assertFails(spec(), Wire.f32(new float[(4 << 20) / 4]), Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
                .says("max_message_bytes");
        QuerySpec.Builder manyDampings = spec();
        for (int i = 0; i < (1 << 16) + 1; i++) {
            manyDampings.addDampings(Damping.newBuilder().setScale(1));
        }
        assertFails(manyDampings, Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE").says("65537");
    }

    @Test
    void query_moreMemoryThanThereIs_isResourceExhausted() {
        // 1 MiB for all queries: 100,000 points of 3 elements need 1.2 MB.
        assertFails(
                        spec().setValidationGradients(
                                        ValidationGradients.newBuilder().setCount(100_000)),
                        Code.RESOURCE_EXHAUSTED,
                        "REQUEST_TOO_LARGE")
                .mayNotBeRetried();
        // 30,000 points fit, but not with their scores.
        assertFails(
                        spec().setValidationGradients(
                                        ValidationGradients.newBuilder().setCount(30_000)),
                        ByteString.copyFrom(new byte[30_000 * 12]),
                        Code.RESOURCE_EXHAUSTED,
                        "QUERY_MEMORY_FULL")
                .mayBeRetried();
    }

    @Test
    void query_fullQueue_isResourceExhaustedAndMayBeRetried() throws Exception {
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 7)) {
            BlockingClientCall<?, QueryResponse> waiting = call(spec(), Wire.f32(POINT));
            Await.until("the query to wait", () -> server.queries.queueDepth() == 1);
            assertFails(spec(), Code.RESOURCE_EXHAUSTED, "QUERY_QUEUE_FULL").mayBeRetried();
            Await.until("refused queries to be counted", () -> server.events.refusedQueries.get() == 1);
            busy.letGo();
            assertThat(Answer.read(waiting).snapshot().getSampleCount()).isEqualTo(4);
        }
    }

    @Test
    void query_cancelledWhileItWaits_makesRoomAtOnce() throws Exception {
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 7)) {
            BlockingClientCall<?, QueryResponse> waiting = call(spec(), Wire.f32(POINT));
            Await.until("the query to wait", () -> server.queries.queueDepth() == 1);
            waiting.cancel("the test gives up", null);
            Await.until("the query to go", () -> server.queries.queueDepth() == 0);
            Await.until("its failure", () -> server.events.failedQueries.get() == 1);
            busy.letGo();
        }
    }

    @Test
    void query_deadlinePassedWhileItWaits_makesRoomAtOnce() throws Exception {
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 7)) {
            BlockingClientCall<?, QueryResponse> waiting = server.influenceService()
                    .withDeadlineAfter(300, TimeUnit.MILLISECONDS)
                    .query(QueryRequest.newBuilder()
                            .setSpec(spec())
                            .setGradients(Wire.f32(POINT))
                            .build());
            assertThat(catchThrowable(() -> Answer.read(waiting)))
                    .isInstanceOfSatisfying(
                            StatusException.class,
                            e -> assertThat(e.getStatus().getCode()).isEqualTo(io.grpc.Status.Code.DEADLINE_EXCEEDED));
            Await.until("the query to go", () -> server.queries.queueDepth() == 0);
            busy.letGo();
        }
    }

    @Test
    void query_runDeletedWhileItWaits_isNotFound() throws Exception {
        Run other = server.createRun("other", 2, 1);
        store(other, ROWS);
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 7)) {
            BlockingClientCall<?, QueryResponse> waiting = call(spec().setRunId("other"), Wire.f32(POINT));
            Await.until("the query to wait", () -> server.queries.queueDepth() == 1);
            server.runs.delete(other.definition().id());
            busy.letGo();
            assertStatus(catchThrowable(() -> Answer.read(waiting))).is(Code.NOT_FOUND, "UNKNOWN_RUN");
        }
    }

    @Test
    void query_allSelectionSpelledOut_isTheDefault() throws Exception {
        Answer answer = query(spec().setSelection(Selection.newBuilder().setAll(AllSamples.getDefaultInstance())));
        assertThat(answer.ids(0)).hasSize(4);
    }
}
