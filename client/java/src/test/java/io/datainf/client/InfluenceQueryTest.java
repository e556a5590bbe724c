package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.datainf.proto.v1.Aggregation;
import io.datainf.proto.v1.BlockDampings;
import io.datainf.proto.v1.InfluenceServiceGrpc.InfluenceServiceImplBase;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.Summary;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class InfluenceQueryTest {

    /** Collects a query and leaves the answer to the test. */
    private static final class QueryPeer extends InfluenceServiceImplBase {
        private final BiConsumer<QueryPeer, StreamObserver<QueryStreamResponse>> answer;
        private final CountDownLatch cancelled = new CountDownLatch(1);
        private QuerySpec spec = QuerySpec.getDefaultInstance();
        private ByteString gradients = ByteString.EMPTY;
        private int chunks;

        QueryPeer(BiConsumer<QueryPeer, StreamObserver<QueryStreamResponse>> answer) {
            this.answer = answer;
        }

        @Override
        public StreamObserver<QueryStreamRequest> queryStream(StreamObserver<QueryStreamResponse> responses) {
            ((ServerCallStreamObserver<QueryStreamResponse>) responses).setOnCancelHandler(cancelled::countDown);
            return new StreamObserver<>() {
                @Override
                public void onNext(QueryStreamRequest request) {
                    if (request.hasSpec()) {
                        spec = request.getSpec();
                    } else {
                        assertThat(request.getChunk().getElementOffset() * Float.BYTES)
                                .isEqualTo(gradients.size());
                        gradients = gradients.concat(request.getChunk().getGradients());
                        chunks++;
                    }
                }

                @Override
                public void onError(Throwable ended) {}

                @Override
                public void onCompleted() {
                    answer.accept(QueryPeer.this, responses);
                }
            };
        }
    }

    private static QueryStreamResponse.Builder response() {
        return QueryStreamResponse.newBuilder().setQueryId("1");
    }

    private static QueryStreamResponse scores(int queryIndex, long[] ids, double[] scores) {
        ByteBuffer idBytes = ByteBuffer.allocate(ids.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        idBytes.asLongBuffer().put(ids);
        ByteBuffer scoreBytes =
                ByteBuffer.allocate(scores.length * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        scoreBytes.asDoubleBuffer().put(scores);
        return response()
                .setScores(ScoreChunk.newBuilder()
                        .setQueryIndex(queryIndex)
                        .setSampleIds(ByteString.copyFrom(idBytes))
                        .setScores(ByteString.copyFrom(scoreBytes)))
                .build();
    }

    private static void answerTwoPoints(QueryPeer peer, StreamObserver<QueryStreamResponse> responses) {
        responses.onNext(response()
                .setSnapshot(Snapshot.newBuilder()
                        .setSampleCount(3)
                        .setRevision(5)
                        .setEngine("vector")
                        .addDampings(BlockDampings.newBuilder()
                                .addValues(0.25)
                                .addValues(0)
                                .addSkippedBlocks(1)))
                .build());
        responses.onNext(scores(0, new long[] {7, 8}, new double[] {-1, 2}));
        responses.onNext(scores(1, new long[] {7}, new double[] {4}));
        responses.onNext(scores(0, new long[] {-1}, new double[] {0.5}));
        responses.onNext(scores(1, new long[] {8, -1}, new double[] {5, 6}));
        responses.onNext(response()
                .setSummary(Summary.newBuilder()
                        .setComputeDuration(
                                com.google.protobuf.Duration.newBuilder().setNanos(2_000_000))
                        .setRelativeErrorBound(1e-7)
                        .setRecomputedInDouble(true))
                .build());
        responses.onCompleted();
    }

    private static final BiConsumer<QueryPeer, StreamObserver<QueryStreamResponse>> TWO_POINTS =
            InfluenceQueryTest::answerTwoPoints;

    @Test
    void query_answerInChunks_isJoinedByPoint() throws Exception {
        try (InProcessPeer peer = new InProcessPeer(new QueryPeer(TWO_POINTS))) {
            InfluenceAnswer answer = peer.client()
                    .query(InfluenceQuery.forGradients("run", new float[2], new float[2])
                            .build());
            assertThat(answer.points()).hasSize(2);
            assertThat(answer.points().get(0).sampleIds()).containsExactly(7, 8, -1);
            assertThat(answer.points().get(0).scores()).containsExactly(-1, 2, 0.5);
            assertThat(answer.points().get(1).sampleIds()).containsExactly(7, 8, -1);
            assertThat(answer.points().get(1).scores()).containsExactly(4, 5, 6);
            assertThat(answer.snapshot())
                    .isEqualTo(new InfluenceAnswer.Snapshot(3, 5, List.of(0.25, 0.0), List.of(1), "vector"));
            assertThat(answer.summary().computeDuration()).isEqualTo(Duration.ofMillis(2));
            assertThat(answer.summary().relativeErrorBound()).hasValue(1e-7);
            assertThat(answer.summary().recomputedInDouble()).isTrue();
            assertThatThrownBy(answer::scores).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void query_largeGradients_travelInChunks() throws Exception {
        QueryPeer service = new QueryPeer(TWO_POINTS);
        float[] first = new float[200_000];
        float[] second = new float[200_000];
        first[1] = 3;
        second[199_999] = -2;
        try (InProcessPeer peer = new InProcessPeer(service)) {
            peer.client()
                    .query(InfluenceQuery.forGradients("run", first, second).build());
        }
        assertThat(service.chunks).isGreaterThan(1);
        assertThat(service.spec.getValidationGradients().getCount()).isEqualTo(2);
        ByteBuffer received = service.gradients.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        assertThat(received.remaining()).isEqualTo(400_000 * Float.BYTES);
        assertThat(received.getFloat(Float.BYTES)).isEqualTo(3);
        assertThat(received.getFloat(399_999 * Float.BYTES)).isEqualTo(-2);
    }

    @Test
    void query_options_areSent() throws Exception {
        QueryPeer service = new QueryPeer(TWO_POINTS);
        try (InProcessPeer peer = new InProcessPeer(service)) {
            peer.client()
                    .query(InfluenceQuery.forStoredSamples("run", 4, -5)
                            .mean()
                            .method(InfluenceMethod.HESSIAN_FREE)
                            .dampingScale(0.5)
                            .top(10, Ranking.MOST_HELPFUL)
                            .minRevision(12)
                            .reproducible()
                            .build());
        }
        QuerySpec spec = service.spec;
        assertThat(spec.getRunId()).isEqualTo("run");
        assertThat(spec.getStoredSamples().getSampleIdsList()).containsExactly(4L, -5L);
        assertThat(spec.getAggregation()).isEqualTo(Aggregation.AGGREGATION_MEAN);
        assertThat(spec.getMethod()).isEqualTo(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE);
        assertThat(spec.getDampings(0).getScale()).isEqualTo(0.5);
        assertThat(spec.getSelection().getTop().getCount()).isEqualTo(10);
        assertThat(spec.getSelection().getTop().getRanking())
                .isEqualTo(io.datainf.proto.v1.Ranking.RANKING_MOST_HELPFUL);
        assertThat(spec.getMinRevision()).isEqualTo(12);
        assertThat(spec.getReproducible()).isTrue();
        assertThat(service.chunks).isZero();
    }

    @Test
    void query_refused_throwsCodeReasonAndFields() throws Exception {
        com.google.rpc.Status error = com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.INVALID_ARGUMENT.value())
                .setMessage("the query is not valid")
                .addDetails(
                        Any.pack(ErrorInfo.newBuilder().setReason("NOT_FINITE").build()))
                .addDetails(Any.pack(BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                                .setField("gradients")
                                .setDescription("element 3 is NaN"))
                        .build()))
                .build();
        QueryPeer service = new QueryPeer((self, responses) -> {
            responses.onNext(response().setError(error).build());
            responses.onCompleted();
        });
        try (InProcessPeer peer = new InProcessPeer(service)) {
            InfluenceQuery query =
                    InfluenceQuery.forGradients("run", new float[2]).build();
            assertThatThrownBy(() -> peer.client().query(query))
                    .hasMessage("the query is not valid [INVALID_ARGUMENT, NOT_FINITE]\n  gradients: element 3 is NaN")
                    .asInstanceOf(type(DataInfException.class))
                    .extracting(DataInfException::code)
                    .isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
    }

    @Test
    void query_streamBreaks_throwsItsStatus() throws Exception {
        QueryPeer service = new QueryPeer((self, responses) -> responses.onError(
                Status.NOT_FOUND.withDescription("no such run").asRuntimeException()));
        try (InProcessPeer peer = new InProcessPeer(service)) {
            InfluenceQuery query =
                    InfluenceQuery.forGradients("run", new float[2]).build();
            assertThatThrownBy(() -> peer.client().query(query)).hasMessage("no such run [NOT_FOUND]");
        }
    }

    @Test
    void query_noSummary_throws() throws Exception {
        try (InProcessPeer peer = new InProcessPeer(new QueryPeer((self, responses) -> responses.onCompleted()))) {
            InfluenceQuery query =
                    InfluenceQuery.forGradients("run", new float[2]).build();
            assertThatThrownBy(() -> peer.client().query(query)).hasMessageContaining("without a summary");
        }
    }

    @Test
    void query_interrupted_isCancelledAtTheServer() throws Exception {
        AtomicReference<Thread> caller = new AtomicReference<>();
        QueryPeer service = new QueryPeer((self, responses) -> caller.get().interrupt());
        List<Throwable> thrown = new ArrayList<>();
        try (InProcessPeer peer = new InProcessPeer(service)) {
            InfluenceQuery query =
                    InfluenceQuery.forGradients("run", new float[2]).build();
            Thread thread = Thread.ofPlatform().unstarted(() -> {
                try {
                    peer.client().query(query);
                } catch (InterruptedException e) {
                    thrown.add(e);
                }
            });
            caller.set(thread);
            thread.start();
            thread.join();
            service.cancelled.await();
        }
        assertThat(thrown).singleElement().isInstanceOf(InterruptedException.class);
    }

    @Test
    void query_takesTooLong_throwsDeadlineExceeded() throws IOException {
        try (InProcessPeer peer = new InProcessPeer(new QueryPeer((self, responses) -> {}))) {
            InfluenceQuery query = InfluenceQuery.forGradients("run", new float[2])
                    .timeout(Duration.ofMillis(50))
                    .build();
            assertThatThrownBy(() -> peer.client().query(query))
                    .asInstanceOf(type(DataInfException.class))
                    .extracting(DataInfException::code)
                    .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        }
    }

    @Test
    void forGradients_unequalLengths_isRefused() {
        assertThatThrownBy(() -> InfluenceQuery.forGradients("run", new float[2], new float[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gradients[1] has 3 elements: expected 2 as gradients[0]");
    }
}
