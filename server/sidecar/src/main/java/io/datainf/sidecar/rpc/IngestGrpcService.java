package io.datainf.sidecar.rpc;

import io.datainf.engine.run.DeletionReceipt;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.DeleteSamplesRequest;
import io.datainf.proto.v1.DeleteSamplesResponse;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.sidecar.ingest.IngestContext;
import io.datainf.sidecar.security.Caller;
import io.grpc.BindableService;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CompletionStage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Takes streams of writers. Bound by hand, so that messages with gradients go around the generated parser. */
final class IngestGrpcService implements BindableService {

    // So that request and frame stay small beside a message of gradients.
    private static final int MAX_DELETIONS = 100_000;
    private static final Logger AUDIT = LoggerFactory.getLogger("audit");

    private final RunRegistry runs;
    private final IngestContext context;
    private final RpcLimits limits;
    private final DrainGate gate;
    private final SharedMemory sharedMemory;
    private final StorageQuota quota;

    IngestGrpcService(
            RunRegistry runs,
            IngestContext context,
            RpcLimits limits,
            DrainGate gate,
            SharedMemory sharedMemory,
            StorageQuota quota) {
        this.runs = runs;
        this.context = context;
        this.limits = limits;
        this.gate = gate;
        this.sharedMemory = sharedMemory;
        this.quota = quota;
    }

    @Override
    public ServerServiceDefinition bindService() {
        MethodDescriptor<IngestRequest, IngestResponse> generated = IngestServiceGrpc.getIngestMethod();
        MethodDescriptor<IngestMessage, IngestResponse> ingest = generated.toBuilder(
                        new IngestMarshaller(limits), generated.getResponseMarshaller())
                .build();
        MethodDescriptor<DeleteSamplesRequest, DeleteSamplesResponse> deleteSamples =
                IngestServiceGrpc.getDeleteSamplesMethod();
        ServiceDescriptor service = ServiceDescriptor.newBuilder(IngestServiceGrpc.SERVICE_NAME)
                .setSchemaDescriptor(IngestServiceGrpc.getServiceDescriptor().getSchemaDescriptor())
                .addMethod(ingest)
                .addMethod(deleteSamples)
                .build();
        return ServerServiceDefinition.builder(service)
                .addMethod(ingest, ServerCalls.asyncBidiStreamingCall(this::ingest))
                .addMethod(deleteSamples, ServerCalls.asyncUnaryCall(this::deleteSamples))
                .build();
    }

    private StreamObserver<IngestMessage> ingest(StreamObserver<IngestResponse> observer) {
        // What grpc-java passes to services is always of this class.
        var call = (ServerCallStreamObserver<IngestResponse>) observer;
        SharedMemory shared = ClientConnection.onThisHost() ? sharedMemory : SharedMemory.none();
        Caller caller = AccessControl.current();
        IngestStream stream = new IngestStream(
                call,
                runs,
                context.with(ClientLimits.currentBudget()),
                limits,
                gate,
                new StreamMemory(shared),
                () -> quota.requireRoomForSamples(caller));
        stream.begin();
        return stream;
    }

    private void deleteSamples(DeleteSamplesRequest request, StreamObserver<DeleteSamplesResponse> observer) {
        CompletionStage<DeletionReceipt> deletion;
        RunId id;
        String caller = AccessControl.current().name();
        try {
            int count = request.getSampleIdsCount();
            if (count < 1 || count > MAX_DELETIONS) {
                throw new InvalidRequestException(
                        "sample_ids", "sample_ids has %d entries: expected 1 to %d".formatted(count, MAX_DELETIONS));
            }
            long[] sampleIds = new long[count];
            for (int i = 0; i < count; i++) {
                sampleIds[i] = request.getSampleIds(i);
            }
            id = RunIds.decode("run_id", request.getRunId());
            deletion = runs.get(id).deleteSamples(sampleIds);
        } catch (RuntimeException e) {
            observer.onError(StatusMapper.toException(e));
            return;
        }
        deletion.whenComplete((receipt, failure) -> {
            if (failure == null) {
                AUDIT.info(
                        "DeleteSamples run={} samples={} absent={} by={}",
                        id.value(),
                        receipt.deletedCount(),
                        receipt.absentCount(),
                        caller);
                observer.onNext(encode(receipt));
                observer.onCompleted();
            } else {
                observer.onError(StatusMapper.toException(failure));
            }
        });
    }

    private static DeleteSamplesResponse encode(DeletionReceipt receipt) {
        return DeleteSamplesResponse.newBuilder()
                .setDeletedCount(receipt.deletedCount())
                .setAbsentCount(receipt.absentCount())
                .setRevision(receipt.revision())
                .build();
    }
}
