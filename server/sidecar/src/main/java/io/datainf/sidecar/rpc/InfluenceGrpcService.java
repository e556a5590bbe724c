package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.sidecar.query.QueryExecutor;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.Executor;

/** Takes queries. */
final class InfluenceGrpcService extends InfluenceServiceGrpc.InfluenceServiceImplBase {

    private final QueryExecutor queries;
    private final QueryDecoder decoder;
    private final RpcLimits limits;
    private final DrainGate gate;
    private final Executor executor;

    /** Answers are sent on {@code executor}. */
    InfluenceGrpcService(
            QueryExecutor queries, QueryDecoder decoder, RpcLimits limits, DrainGate gate, Executor executor) {
        this.queries = queries;
        this.decoder = decoder;
        this.limits = limits;
        this.gate = gate;
        this.executor = executor;
    }

    @Override
    public void query(QueryRequest request, StreamObserver<QueryResponse> observer) {
        // What grpc-java passes to services is always of this class; so below.
        var call = (ServerCallStreamObserver<QueryResponse>) observer;
        AnswerCall<QueryResponse> answer = new AnswerCall<>(call, gate, executor);
        Object client = ClientConnection.current();
        answer.begin(queries::discardCancelled, () -> {
            RequestTooLargeException.requireMessageBytes(request.getSerializedSize(), limits);
            queries.submit(
                    QueryRequests.plan(request, decoder),
                    client,
                    answer::cancelled,
                    QueryListeners.of(answer.pump(), AnswerCall.ONLY, CallContext.current()));
        });
    }

    @Override
    public StreamObserver<QueryStreamRequest> queryStream(StreamObserver<QueryStreamResponse> observer) {
        var call = (ServerCallStreamObserver<QueryStreamResponse>) observer;
        QueryStreamCall stream = new QueryStreamCall(call, queries, decoder, limits, gate, executor);
        stream.begin();
        return stream;
    }
}
