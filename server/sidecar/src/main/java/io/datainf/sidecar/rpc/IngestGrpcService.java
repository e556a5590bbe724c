package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.DeleteSamplesRequest;
import io.datainf.proto.v1.DeleteSamplesResponse;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.sidecar.ingest.IngestContext;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;

/** Takes streams of writers. */
final class IngestGrpcService extends IngestServiceGrpc.IngestServiceImplBase {

    private final RunRegistry runs;
    private final IngestContext context;
    private final RpcLimits limits;
    private final DrainGate gate;

    IngestGrpcService(RunRegistry runs, IngestContext context, RpcLimits limits, DrainGate gate) {
        this.runs = runs;
        this.context = context;
        this.limits = limits;
        this.gate = gate;
    }

    @Override
    public StreamObserver<IngestRequest> ingest(StreamObserver<IngestResponse> observer) {
        // What grpc-java passes to services is always of this class.
        var call = (ServerCallStreamObserver<IngestResponse>) observer;
        IngestStream stream = new IngestStream(call, runs, context, limits, gate);
        stream.begin();
        return stream;
    }

    @Override
    public void deleteSamples(DeleteSamplesRequest request, StreamObserver<DeleteSamplesResponse> observer) {
        observer.onError(StatusMapper.toException(
                new UnsupportedRequestException("DeleteSamples", "samples can be replaced, not deleted")));
    }
}
