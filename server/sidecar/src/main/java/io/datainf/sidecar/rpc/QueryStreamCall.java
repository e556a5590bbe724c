package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.GradientChunk;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.ValidationGradients;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * One call of QueryStream. A query is collected until its gradients are whole, then answered: submitted to the executor and
 * sent when it is ready. A query that fails keeps its id for a while, so that gradients which are on their way are passed over.
 *
 * <p>Reading stops while many queries are being answered. Gradients of an open query can always come, because a query being
 * answered gets ready without further input.
 */
final class QueryStreamCall implements StreamObserver<QueryStreamRequest>, AnswerPump.Output<QueryResponse> {

    private static final int MAX_ID_BYTES = 64;
    private static final int MAX_COLLECTED = 64;
    private static final int MAX_ANSWERING = 64;
    private static final int MAX_REMEMBERED_FAILURES = 1_024;
    private static final String CHUNK_GRADIENTS = "chunk.gradients";

    private final ServerCallStreamObserver<QueryStreamResponse> call;
    private final QueryExecutor queries;
    private final QueryDecoder decoder;
    private final RpcLimits limits;
    private final DrainGate gate;
    private final CallContext context = CallContext.current();
    private final AnswerPump<QueryResponse> pump;
    private final Object client = ClientConnection.current();

    // Guarded by this, like the call.
    private final Map<String, QueryPlan> collected = new HashMap<>();
    private final Set<String> answering = new HashSet<>();
    private final SequencedSet<String> failures = new LinkedHashSet<>();
    private boolean readingPaused;
    private boolean halfClosed;
    private boolean draining;
    // Written under the lock; the executor asks without it.
    private volatile boolean ended;

    QueryStreamCall(
            ServerCallStreamObserver<QueryStreamResponse> call,
            QueryExecutor queries,
            QueryDecoder decoder,
            RpcLimits limits,
            DrainGate gate,
            Executor executor) {
        this.call = call;
        this.queries = queries;
        this.decoder = decoder;
        this.limits = limits;
        this.gate = gate;
        this.pump = new AnswerPump<>(this, call::isReady, executor, this);
    }

    /** Takes control of the flow and asks for the first message, if the server takes streams. */
    synchronized void begin() {
        call.disableAutoRequest();
        call.setOnCancelHandler(this::cancelled);
        call.setOnReadyHandler(pump::pumpLater);
        try {
            gate.enter(this, this::drain);
        } catch (ServerStoppingException e) {
            end(e);
            return;
        }
        call.request(1);
    }

    @Override
    public synchronized void onNext(QueryStreamRequest request) {
        if (ended || draining) {
            return;
        }
        try {
            RequestTooLargeException.requireMessageBytes(request.getSerializedSize(), limits);
            take(request);
        } catch (RuntimeException | OutOfMemoryError e) {
            end(e);
        }
        requestMore();
    }

    /** The client cancelled; the cancel handler has dealt with it. */
    @Override
    public void onError(Throwable cause) {}

    @Override
    public synchronized void onCompleted() {
        if (ended) {
            return;
        }
        halfClosed = true;
        for (String queryId : List.copyOf(collected.keySet())) {
            reject(
                    queryId,
                    new InvalidRequestException(
                            CHUNK_GRADIENTS,
                            "the stream ended before the gradients of query '%s' had all come".formatted(queryId)));
        }
        endIfIdle();
    }

    @Override
    public void part(String queryId, QueryResponse part) {
        QueryStreamResponse.Builder response = QueryStreamResponse.newBuilder().setQueryId(queryId);
        switch (part.getPartCase()) {
            case SNAPSHOT -> response.setSnapshot(part.getSnapshot());
            case SCORES -> response.setScores(part.getScores());
            case PROGRESS -> response.setProgress(part.getProgress());
            case SUMMARY -> response.setSummary(part.getSummary());
            case PART_NOT_SET -> throw new IllegalStateException("an answer has an empty part");
        }
        call.onNext(response.build());
    }

    @Override
    public void failed(String queryId, Throwable cause) {
        call.onNext(QueryStreamResponse.newBuilder()
                .setQueryId(queryId)
                .setError(context.tagged(() -> StatusMapper.toStatus(cause)))
                .build());
        finished(queryId);
    }

    @Override
    public void finished(String queryId) {
        answering.remove(queryId);
        endIfIdle();
        if (readingPaused) {
            readingPaused = false;
            requestMore();
        }
    }

    /** Needs the lock, like all that follow unless they say otherwise. */
    private void take(QueryStreamRequest request) {
        String queryId = request.getQueryId();
        int idBytes = request.getQueryIdBytes().size();
        if (idBytes < 1 || idBytes > MAX_ID_BYTES) {
            throw new InvalidRequestException(
                    "query_id", "query_id has %d bytes: expected 1 to %d".formatted(idBytes, MAX_ID_BYTES));
        }
        switch (request.getPartCase()) {
            case SPEC -> open(queryId, request.getSpec());
            case CHUNK -> append(queryId, request.getChunk());
            case PART_NOT_SET ->
                throw new InvalidRequestException("part", "the message is empty: expected spec or chunk");
        }
    }

    private void open(String queryId, QuerySpec spec) {
        if (collected.containsKey(queryId) || answering.contains(queryId)) {
            throw new InvalidRequestException(
                    "query_id", "query_id is '%s', which is open: expected another one".formatted(queryId));
        }
        failures.remove(queryId);
        if (collected.size() == MAX_COLLECTED) {
            reject(queryId, new TooManyOpenQueriesException(MAX_COLLECTED));
            return;
        }
        QueryPlan plan;
        try {
            plan = decoder.decode(spec);
        } catch (RuntimeException | OutOfMemoryError e) {
            reject(queryId, e);
            return;
        }
        if (plan.source() instanceof ValidationGradients) {
            collected.put(queryId, plan);
        } else {
            submit(queryId, plan);
        }
    }

    private void append(String queryId, GradientChunk chunk) {
        QueryPlan plan = collected.get(queryId);
        if (plan == null || !(plan.source() instanceof ValidationGradients points)) {
            if (failures.contains(queryId)) {
                return;
            }
            throw new InvalidRequestException(
                    "query_id",
                    "a chunk has query_id '%s': no query of this id waits for gradients".formatted(queryId));
        }
        try {
            if (chunk.getElementOffset() != points.filledElements()) {
                throw new InvalidRequestException(
                        "chunk.element_offset",
                        "chunk.element_offset is %d: expected %d"
                                .formatted(chunk.getElementOffset(), points.filledElements()));
            }
            points.append(CHUNK_GRADIENTS, chunk.getGradients().asReadOnlyByteBuffer());
        } catch (RuntimeException e) {
            reject(queryId, e);
            return;
        }
        if (points.missingElements() == 0) {
            collected.remove(queryId);
            submit(queryId, plan);
        }
    }

    private void submit(String queryId, QueryPlan plan) {
        answering.add(queryId);
        try {
            queries.submit(plan, client, () -> ended || call.isCancelled(), QueryListeners.of(pump, queryId, context));
        } catch (RuntimeException e) {
            pump.failed(queryId, e);
        }
    }

    /** Answers a query that was not submitted with an error. */
    private void reject(String queryId, Throwable cause) {
        QueryPlan plan = collected.remove(queryId);
        if (plan != null) {
            plan.close();
        }
        if (failures.size() == MAX_REMEMBERED_FAILURES) {
            failures.removeFirst();
        }
        failures.add(queryId);
        answering.add(queryId);
        pump.failed(queryId, cause);
    }

    private void requestMore() {
        if (ended || halfClosed || draining) {
            return;
        }
        if (answering.size() >= MAX_ANSWERING) {
            readingPaused = true;
        } else {
            call.request(1);
        }
    }

    private void endIfIdle() {
        if (ended || !answering.isEmpty()) {
            return;
        }
        if (draining) {
            end(new ServerStoppingException());
        } else if (halfClosed) {
            end(null);
        }
    }

    /** Ends the call; null says that all went well. */
    private void end(@Nullable Throwable cause) {
        if (ended) {
            return;
        }
        if (cause == null) {
            call.onCompleted();
        } else {
            call.onError(context.tagged(() -> StatusMapper.toException(cause)));
        }
        letGo();
    }

    private void letGo() {
        ended = true;
        collected.values().forEach(QueryPlan::close);
        collected.clear();
        pump.stop();
        queries.discardCancelled();
        gate.leave(this);
    }

    /** Queries being answered may finish; the others end with the call. Takes the lock. */
    private synchronized void drain() {
        draining = true;
        endIfIdle();
    }

    /** Takes the lock. */
    private synchronized void cancelled() {
        letGo();
    }
}
