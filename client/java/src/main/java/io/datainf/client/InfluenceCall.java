package io.datainf.client;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.ByteString;
import io.datainf.client.InfluenceAnswer.PointScores;
import io.datainf.client.InfluenceAnswer.Snapshot;
import io.datainf.client.InfluenceAnswer.Summary;
import io.datainf.proto.v1.BlockDampings;
import io.datainf.proto.v1.GradientChunk;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * One query on a QueryStream of its own: the only RPC that takes a gradient of any size. Sends as the transport takes,
 * collects the answer. gRPC calls the observer methods one at a time.
 */
final class InfluenceCall implements ClientResponseObserver<QueryStreamRequest, QueryStreamResponse> {
    private static final String QUERY_ID = "1";
    /** Below the least message limit that a server is likely to set; a multiple of the element size. */
    private static final int CHUNK_BYTES = 512 << 10;

    private final InfluenceQuery query;
    private final CompletableFuture<InfluenceAnswer> answer = new CompletableFuture<>();
    private final TreeMap<Integer, List<ScoreChunk>> chunks = new TreeMap<>();
    private io.datainf.proto.v1.@Nullable Snapshot snapshot;
    private @Nullable ClientCallStreamObserver<QueryStreamRequest> requests;

    // The on-ready handler may first run while start() is still sending the header.
    private final Object sending = new Object();

    @GuardedBy("sending")
    private boolean started;

    @GuardedBy("sending")
    private int sentBytes;

    @GuardedBy("sending")
    private boolean completed;

    InfluenceCall(InfluenceQuery query) {
        this.query = query;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<QueryStreamRequest> stream) {
        requests = stream;
        stream.setOnReadyHandler(this::sendMore);
    }

    /** Sends the question; call once, after the call has started. */
    void start() {
        synchronized (sending) {
            stream()
                    .onNext(QueryStreamRequest.newBuilder()
                            .setQueryId(QUERY_ID)
                            .setSpec(query.spec())
                            .build());
            started = true;
        }
        sendMore();
    }

    private void sendMore() {
        ByteString gradients = query.gradients();
        synchronized (sending) {
            while (started && !completed && stream().isReady()) {
                if (sentBytes == gradients.size()) {
                    completed = true;
                    stream().onCompleted();
                    return;
                }
                int begin = sentBytes;
                int end = (int) Math.min(gradients.size(), (long) begin + CHUNK_BYTES);
                // Before onNext: with a direct executor it may come back here.
                sentBytes = end;
                stream()
                        .onNext(QueryStreamRequest.newBuilder()
                                .setQueryId(QUERY_ID)
                                .setChunk(GradientChunk.newBuilder()
                                        .setElementOffset(begin / Float.BYTES)
                                        .setGradients(gradients.substring(begin, end)))
                                .build());
            }
        }
    }

    @Override
    public void onNext(QueryStreamResponse response) {
        switch (response.getPartCase()) {
            case SNAPSHOT -> snapshot = response.getSnapshot();
            case SCORES -> {
                ScoreChunk chunk = response.getScores();
                chunks.computeIfAbsent(chunk.getQueryIndex(), index -> new ArrayList<>())
                        .add(chunk);
            }
            case SUMMARY -> answer.complete(assemble(response.getSummary()));
            case ERROR ->
                answer.completeExceptionally(
                        DataInfException.of(StatusProto.toStatusRuntimeException(response.getError())));
            case PROGRESS, PART_NOT_SET -> {}
        }
    }

    @Override
    public void onError(Throwable failure) {
        answer.completeExceptionally(DataInfException.of(failure));
    }

    @Override
    public void onCompleted() {
        // Without effect when the answer is there.
        answer.completeExceptionally(
                new DataInfException(io.grpc.Status.Code.INTERNAL, "", "the server ended the query without a summary"));
    }

    /** Waits for the answer; interruption cancels the call. */
    InfluenceAnswer await() throws InterruptedException {
        try {
            return answer.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof DataInfException failure) {
                throw failure.again();
            }
            throw new IllegalStateException("the answer cannot be read", e.getCause());
        } catch (InterruptedException e) {
            stream().cancel("the caller was interrupted", e);
            throw e;
        }
    }

    private ClientCallStreamObserver<QueryStreamRequest> stream() {
        if (requests == null) {
            throw new IllegalStateException("the call has not started");
        }
        return requests;
    }

    private InfluenceAnswer assemble(io.datainf.proto.v1.Summary summary) {
        var seen = snapshot == null ? io.datainf.proto.v1.Snapshot.getDefaultInstance() : snapshot;
        BlockDampings dampings =
                seen.getDampingsCount() == 0 ? BlockDampings.getDefaultInstance() : seen.getDampings(0);
        return new InfluenceAnswer(
                new Snapshot(
                        seen.getSampleCount(),
                        seen.getRevision(),
                        dampings.getValuesList(),
                        dampings.getSkippedBlocksList(),
                        seen.getEngine()),
                chunks.values().stream().map(InfluenceCall::join).toList(),
                new Summary(
                        duration(summary.getQueueDuration()),
                        duration(summary.getComputeDuration()),
                        duration(summary.getRespondDuration()),
                        summary.hasRelativeErrorBound()
                                ? OptionalDouble.of(summary.getRelativeErrorBound())
                                : OptionalDouble.empty(),
                        summary.getRecomputedInDouble()));
    }

    private static PointScores join(List<ScoreChunk> parts) {
        int bytes = parts.stream().mapToInt(part -> part.getScores().size()).sum();
        ByteBuffer ids = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer scores = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (ScoreChunk part : parts) {
            part.getSampleIds().copyTo(ids);
            part.getScores().copyTo(scores);
        }
        long[] idArray = new long[ids.flip().remaining() / Long.BYTES];
        ids.asLongBuffer().get(idArray);
        double[] scoreArray = new double[scores.flip().remaining() / Double.BYTES];
        scores.asDoubleBuffer().get(scoreArray);
        return new PointScores(idArray, scoreArray);
    }

    private static Duration duration(com.google.protobuf.Duration duration) {
        return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
    }
}
