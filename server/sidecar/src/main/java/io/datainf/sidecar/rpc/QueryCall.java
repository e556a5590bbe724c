package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.ValidationGradients;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.Executor;

/** One call of Query: one query, one answer. */
final class QueryCall implements AnswerPump.Output {

    private static final String GRADIENTS = "gradients";

    private final ServerCallStreamObserver<QueryResponse> call;
    private final QueryExecutor queries;
    private final DrainGate gate;
    private final AnswerPump pump;

    QueryCall(ServerCallStreamObserver<QueryResponse> call, QueryExecutor queries, DrainGate gate, Executor executor) {
        this.call = call;
        this.queries = queries;
        this.gate = gate;
        this.pump = new AnswerPump(this, call::isReady, executor, this);
    }

    /** Checks and submits the query. */
    void begin(QueryRequest request, QueryDecoder decoder, RpcLimits limits) {
        call.setOnCancelHandler(this::cancelled);
        call.setOnReadyHandler(pump::pumpLater);
        try {
            gate.enter(this, () -> {}); // a query that is in may finish
            RequestTooLargeException.requireMessageBytes(request.getSerializedSize(), limits);
            queries.submit(plan(request, decoder), call::isCancelled, pump.listener(""));
        } catch (RuntimeException | OutOfMemoryError e) {
            failed("", e);
        }
    }

    @Override
    public void part(String queryId, QueryResponse part) {
        call.onNext(part);
    }

    @Override
    public void failed(String queryId, Throwable cause) {
        call.onError(StatusMapper.toException(cause));
        gate.leave(this);
    }

    @Override
    public void finished(String queryId) {
        call.onCompleted();
        gate.leave(this);
    }

    private static QueryPlan plan(QueryRequest request, QueryDecoder decoder) {
        QueryPlan plan = decoder.decode(request.getSpec());
        try {
            fill(plan, request.getGradients());
            return plan;
        } catch (RuntimeException | Error e) {
            plan.close();
            throw e;
        }
    }

    private static void fill(QueryPlan plan, ByteString gradients) {
        if (!(plan.source() instanceof ValidationGradients points)) {
            if (!gradients.isEmpty()) {
                throw new InvalidRequestException(
                        GRADIENTS,
                        "gradients has %d bytes: expected none with stored_samples".formatted(gradients.size()));
            }
            return;
        }
        if (gradients.size() != points.wireBytes()) {
            throw new InvalidRequestException(
                    GRADIENTS,
                    "gradients has %d bytes: expected %d (%s)"
                            .formatted(gradients.size(), points.wireBytes(), points.describe()));
        }
        points.append(GRADIENTS, gradients.asReadOnlyByteBuffer());
    }

    private void cancelled() {
        pump.stop();
        queries.discardCancelled();
        gate.leave(this);
    }
}
