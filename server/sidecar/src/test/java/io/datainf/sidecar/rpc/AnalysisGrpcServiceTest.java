package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.Duration;
import com.google.rpc.Code;
import io.datainf.engine.influence.Damping.Scaled;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.proto.v1.ComputeSelfInfluenceResponse;
import io.datainf.proto.v1.Damping;
import io.datainf.proto.v1.GetSquaredNormsRequest;
import io.datainf.proto.v1.GetSquaredNormsResponse;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.query.AnalysisListener;
import io.datainf.sidecar.query.SelfInfluenceAnswer;
import io.datainf.sidecar.query.SelfInfluencePlan;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Self-influence and squared norms; comparisons have a test of their own. */
class AnalysisGrpcServiceTest {

    private static final int SAMPLES = 40;
    private static final float[][] ROWS = RandomRun.rows(SAMPLES, 3);
    private static final double TOLERANCE = 1e-9;
    private static final long PATIENCE_SECONDS = 60;

    private final CountDownLatch release = new CountDownLatch(1);
    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
        run = RandomRun.create(server, "r1", ROWS);
    }

    @AfterEach
    void stop() {
        release.countDown();
        Await.until("jobs to end", () -> server.queries.analyses().jobCount() == 0);
        server.close();
    }

    private static ComputeSelfInfluenceRequest.Builder all() {
        return ComputeSelfInfluenceRequest.newBuilder().setRunId("r1").setAll(AllSamples.getDefaultInstance());
    }

    private static ComputeSelfInfluenceRequest.Builder given(Long... ids) {
        return ComputeSelfInfluenceRequest.newBuilder()
                .setRunId("r1")
                .setGiven(GivenSamples.newBuilder().addAllSampleIds(List.of(ids)));
    }

    private BlockingClientCall<?, ComputeSelfInfluenceResponse> call(ComputeSelfInfluenceRequest.Builder request) {
        return server.analysisService().computeSelfInfluence(request.build());
    }

    private SelfInfluenceReply compute(ComputeSelfInfluenceRequest.Builder request) throws Exception {
        return SelfInfluenceReply.read(call(request));
    }

    private StatusAssert assertFails(ComputeSelfInfluenceRequest.Builder request, Code code, String reason) {
        BlockingClientCall<?, ComputeSelfInfluenceResponse> call = call(request);
        return assertStatus(catchThrowable(() -> call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)))
                .is(code, reason);
    }

    /** Scores of the samples for themselves, by queries. */
    private double[] diagonal() throws Exception {
        StoredSamples.Builder stored = StoredSamples.newBuilder();
        LongStream.range(10, 10 + SAMPLES).forEach(stored::addSampleIds);
        Answer answer = Answer.read(server.influenceService()
                .query(QueryRequest.newBuilder()
                        .setSpec(QuerySpec.newBuilder().setRunId("r1").setStoredSamples(stored))
                        .build()));
        return IntStream.range(0, SAMPLES).mapToDouble(k -> answer.scores(k)[k]).toArray();
    }

    @Test
    void selfInfluence_all_isTheScoreOfEachForItself_andIsKept() throws Exception {
        SelfInfluenceReply reply = compute(all());
        assertThat(reply.estimate().getMultiplications()).isEqualTo((double) SAMPLES * SAMPLES * RandomRun.DIMENSION);
        assertThat(reply.estimate().getJobCountAhead()).isZero();
        assertThat(reply.snapshot().getSampleCount()).isEqualTo(SAMPLES);
        assertThat(reply.snapshot().getRevision()).isEqualTo(SAMPLES);
        assertThat(reply.snapshot().getDampings(0).getValuesCount()).isEqualTo(2);
        assertThat(reply.ids())
                .containsExactly(LongStream.range(10, 10 + SAMPLES).toArray());
        assertThat(reply.progress()).isNotEmpty();
        double[] expected = diagonal();
        for (int k = 0; k < SAMPLES; k++) {
            assertThat(reply.values()[k])
                    .isNotPositive()
                    .isCloseTo(expected[k], within(TOLERANCE * Math.abs(expected[k])));
        }
        assertThat(reply.summary().hasComputeDuration()).isTrue();

        SelfInfluenceReply again = compute(all());
        assertThat(again.estimate().getMultiplications()).isZero();
        assertThat(again.progress()).isEmpty();
        assertThat(again.values()).isEqualTo(reply.values());
        assertThat(again.ids()).isEqualTo(reply.ids());

        SelfInfluenceReply some = compute(given(30L, 11L));
        assertThat(some.estimate().getMultiplications()).isZero();
        assertThat(some.ids()).containsExactly(30, 11);
        assertThat(some.values()).containsExactly(reply.values()[20], reply.values()[1]);
    }

    @Test
    void selfInfluence_otherDampingOrRevision_isComputedAnew() throws Exception {
        compute(all());
        ComputeSelfInfluenceRequest.Builder damped =
                all().setDamping(Damping.newBuilder().setScale(0.5));
        assertThat(compute(damped).estimate().getMultiplications()).isPositive();
        assertThat(compute(all()).estimate().getMultiplications()).isZero();
        assertThat(compute(damped).estimate().getMultiplications()).isZero();
        RandomRun.append(server, run, 2, 1_000, ROWS[0]);
        assertThat(compute(all()).estimate().getMultiplications()).isPositive();
        assertThat(compute(damped).estimate().getMultiplications()).isPositive();
    }

    @Test
    void selfInfluence_given_isNotKept() throws Exception {
        double[] expected = diagonal();
        for (int i = 0; i < 2; i++) {
            SelfInfluenceReply reply = compute(given(12L, 10L));
            assertThat(reply.estimate().getMultiplications()).isEqualTo(2.0 * SAMPLES * RandomRun.DIMENSION);
            assertThat(reply.ids()).containsExactly(12, 10);
            assertThat(reply.values()[0]).isCloseTo(expected[2], within(TOLERANCE * Math.abs(expected[2])));
            assertThat(reply.values()[1]).isCloseTo(expected[0], within(TOLERANCE * Math.abs(expected[0])));
        }
    }

    @Test
    void selfInfluence_estimateOnly_computesNothing() throws Exception {
        BlockingClientCall<?, ComputeSelfInfluenceResponse> call = call(all().setEstimateOnly(true));
        ComputeSelfInfluenceResponse first = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(first).isNotNull();
        assertThat(first.getEstimate().getMultiplications()).isPositive();
        assertThat(first.getEstimate().getComputeDuration()).isNotEqualTo(Duration.getDefaultInstance());
        assertThat(call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)).isNull();
        assertThat(compute(all()).estimate().getMultiplications()).isPositive();
    }

    @Test
    void selfInfluence_badRequests_areNamed() throws Exception {
        assertFails(all().setRunId("none"), Code.NOT_FOUND, "UNKNOWN_RUN");
        assertFails(all().clearSamples(), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("samples");
        assertFails(given().setMinRevision(-1), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("given.sample_ids", "min_revision");
        assertFails(all().setDamping(Damping.newBuilder().setScale(-1)), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("damping");
        assertFails(all().setDamping(Damping.newBuilder()), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("damping");
        assertFails(given(9L), Code.INVALID_ARGUMENT, "UNKNOWN_SAMPLE").says("9");
        assertFails(all().setMinRevision(1_000), Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED")
                .mayBeRetried();
        server.createRun("empty", RandomRun.WIDTHS);
        assertFails(all().setRunId("empty"), Code.FAILED_PRECONDITION, "EMPTY_RUN");
    }

    /** Occupies the thread of jobs until {@link #release} opens. */
    private CompletableFuture<SelfInfluenceAnswer> occupy() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CompletableFuture<SelfInfluenceAnswer> done = new CompletableFuture<>();
        SelfInfluencePlan plan = new SelfInfluencePlan(run, new Scaled(0.3), Optional.empty(), 0);
        Thread submitter = Thread.currentThread();
        server.queries
                .analyses()
                .submit(
                        plan,
                        () -> {
                            if (!Thread.currentThread().equals(submitter)) {
                                running.countDown();
                                awaitRelease();
                            }
                            return false;
                        },
                        new AnalysisListener<>() {
                            @Override
                            public void progressed(double fraction) {}

                            @Override
                            public void answered(SelfInfluenceAnswer answer) {
                                done.complete(answer);
                            }

                            @Override
                            public void failed(Throwable cause) {
                                done.completeExceptionally(cause);
                            }
                        });
        assertThat(running.await(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        return done;
    }

    private void awaitRelease() {
        try {
            release.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void jobs_tooMany_areRefusedUntilSomeoneHasGone() throws Exception {
        CompletableFuture<SelfInfluenceAnswer> running = occupy();
        List<BlockingClientCall<?, ComputeSelfInfluenceResponse>> waiting = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            BlockingClientCall<?, ComputeSelfInfluenceResponse> next = call(all());
            ComputeSelfInfluenceResponse estimate = next.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
            assertThat(estimate).isNotNull();
            int ahead = i + 1;
            assertThat(estimate.getEstimate().getJobCountAhead()).isEqualTo(ahead);
            Await.until("the job to wait", () -> server.queries.analyses().jobCount() == ahead + 1);
            waiting.add(next);
        }
        BlockingClientCall<?, ComputeSelfInfluenceResponse> refused = call(all());
        assertStatus(catchThrowable(() -> SelfInfluenceReply.read(refused)))
                .is(Code.RESOURCE_EXHAUSTED, "JOB_QUEUE_FULL")
                .mayBeRetried();
        // Queries do not wait for jobs.
        assertThat(diagonal()).hasSize(SAMPLES);

        waiting.getFirst().cancel("the test gives up", null);
        Await.until("the job to go", () -> server.queries.analyses().jobCount() == 8);
        release.countDown();
        running.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        for (BlockingClientCall<?, ComputeSelfInfluenceResponse> call : waiting.subList(1, 8)) {
            while (call.read(PATIENCE_SECONDS, TimeUnit.SECONDS) != null) {}
        }
    }

    @Test
    void job_deadlinePassedWhileItWaits_goesAtOnce() throws Exception {
        CompletableFuture<SelfInfluenceAnswer> running = occupy();
        BlockingClientCall<?, ComputeSelfInfluenceResponse> call = server.analysisService()
                .withDeadlineAfter(300, TimeUnit.MILLISECONDS)
                .computeSelfInfluence(all().build());
        assertThat(catchThrowable(() -> SelfInfluenceReply.read(call)))
                .isInstanceOfSatisfying(
                        StatusException.class,
                        e -> assertThat(e.getStatus().getCode()).isEqualTo(io.grpc.Status.Code.DEADLINE_EXCEEDED));
        Await.until("the job to go", () -> server.queries.analyses().jobCount() == 1);
        assertThat(running).isNotDone();
    }

    @Test
    void squaredNorms_areThoseOfTheSamples() throws Exception {
        double[] expected = new double[SAMPLES];
        double[] second = new double[SAMPLES];
        for (int k = 0; k < SAMPLES; k++) {
            for (int j = 0; j < RandomRun.DIMENSION; j++) {
                expected[k] += (double) ROWS[k][j] * ROWS[k][j];
                second[k] += j < RandomRun.WIDTHS[0] ? 0 : (double) ROWS[k][j] * ROWS[k][j];
            }
        }
        List<GetSquaredNormsResponse> parts = squaredNorms("r1", true);
        assertThat(parts).hasSize(4);
        assertThat(parts.getFirst().getHeader().getSampleCount()).isEqualTo(SAMPLES);
        assertThat(parts.getFirst().getHeader().getRevision()).isEqualTo(SAMPLES);
        assertThat(parts.get(1).getSquaredNorms().hasBlockIndex()).isFalse();
        assertThat(parts.get(3).getSquaredNorms().getBlockIndex()).isEqualTo(1);
        assertNorms(parts.get(1), expected);
        assertNorms(parts.get(3), second);
        assertThat(squaredNorms("r1", false)).hasSize(2);
    }

    private static void assertNorms(GetSquaredNormsResponse part, double[] expected) {
        double[] norms = new double[SAMPLES];
        part.getSquaredNorms()
                .getScores()
                .asReadOnlyByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asDoubleBuffer()
                .get(norms);
        assertThat(norms).containsExactly(expected, within(TOLERANCE));
    }

    private List<GetSquaredNormsResponse> squaredNorms(String runId, boolean perBlock) throws Exception {
        BlockingClientCall<?, GetSquaredNormsResponse> call = server.analysisService()
                .getSquaredNorms(GetSquaredNormsRequest.newBuilder()
                        .setRunId(runId)
                        .setPerBlock(perBlock)
                        .build());
        List<GetSquaredNormsResponse> parts = new ArrayList<>();
        for (GetSquaredNormsResponse part = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
                part != null;
                part = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            parts.add(part);
        }
        return parts;
    }

    @Test
    void squaredNorms_edges() throws Exception {
        server.createRun("empty", RandomRun.WIDTHS);
        assertThat(squaredNorms("empty", true)).singleElement().matches(GetSquaredNormsResponse::hasHeader);
        assertStatus(catchThrowable(() -> squaredNorms("none", false))).is(Code.NOT_FOUND, "UNKNOWN_RUN");
        BlockingClientCall<?, GetSquaredNormsResponse> call = server.analysisService()
                .getSquaredNorms(GetSquaredNormsRequest.newBuilder()
                        .setRunId("r1")
                        .setMinRevision(1_000)
                        .build());
        assertStatus(catchThrowable(() -> call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)))
                .is(Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED")
                .mayBeRetried();
    }
}
