package io.datainf.client;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.ByteString;
import io.datainf.client.InfluenceAnswer.Summary;
import io.datainf.proto.v1.GradientChunk;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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
    static final int CHUNK_BYTES = 512 << 10;

    private final InfluenceQuery query;
    private final CompletableFuture<InfluenceAnswer> answer = new CompletableFuture<>();
    /** By damping, then by validation point. */
    private final TreeMap<Integer, TreeMap<Integer, List<ScoreChunk>>> chunks = new TreeMap<>();

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
                chunks.computeIfAbsent(chunk.getDampingIndex(), index -> new TreeMap<>())
                        .computeIfAbsent(chunk.getQueryIndex(), index -> new ArrayList<>())
                        .add(chunk);
            }
            case SUMMARY -> answer.complete(assemble(response.getSummary()));
            case ERROR ->
                answer.completeExceptionally(
                        DataInfException.of(StatusProto.toStatusRuntimeException(response.getError())));
            case PROGRESS -> query.onProgress().accept(response.getProgress().getFraction());
            case PART_NOT_SET -> {}
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
        List<InfluenceAnswer> further = new ArrayList<>();
        for (int damping = 1; damping < seen.getDampingsCount(); damping++) {
            further.add(assemble(seen, summary, damping, List.of()));
        }
        return assemble(seen, summary, 0, further);
    }

    private InfluenceAnswer assemble(
            io.datainf.proto.v1.Snapshot seen,
            io.datainf.proto.v1.Summary summary,
            int damping,
            List<InfluenceAnswer> further) {
        TreeMap<Integer, List<ScoreChunk>> ofDamping = chunks.getOrDefault(damping, new TreeMap<>());
        return new InfluenceAnswer(
                Decoding.snapshot(seen, damping),
                ofDamping.values().stream().map(Decoding::join).toList(),
                new Summary(
                        Decoding.duration(summary.getQueueDuration()),
                        Decoding.duration(summary.getComputeDuration()),
                        Decoding.duration(summary.getRespondDuration()),
                        summary.hasRelativeErrorBound()
                                ? OptionalDouble.of(summary.getRelativeErrorBound())
                                : OptionalDouble.empty(),
                        summary.getRecomputedInDouble(),
                        damping < summary.getSolverReportsCount()
                                ? Optional.of(SolverReport.of(summary.getSolverReports(damping)))
                                : Optional.empty(),
                        summary.getBatchQueryCount()),
                further);
    }
}
