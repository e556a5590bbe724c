package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.CapabilitiesServiceGrpc;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.GetCapabilitiesRequest;
import io.datainf.proto.v1.GetCapabilitiesResponse;
import io.grpc.stub.StreamObserver;

/** Tells what the server offers. */
final class CapabilitiesGrpcService extends CapabilitiesServiceGrpc.CapabilitiesServiceImplBase {

    private final GetCapabilitiesResponse response;

    CapabilitiesGrpcService(String serverVersion, String engineName, RpcLimits limits) {
        this.response = GetCapabilitiesResponse.newBuilder()
                .setServerVersion(serverVersion)
                .setEngine(engineName)
                .setMaxMessageBytes(limits.maxMessageBytes())
                .setMaxQueryElements(limits.maxQueryElements())
                .addStoredElementTypes(ElementType.ELEMENT_TYPE_F32)
                .addStoredElementTypes(ElementType.ELEMENT_TYPE_BF16)
                .addAllMethods(Methods.OFFERED)
                .addAllNormalizations(Normalizations.OFFERED)
                .build();
    }

    @Override
    public void getCapabilities(GetCapabilitiesRequest request, StreamObserver<GetCapabilitiesResponse> observer) {
        observer.onNext(response);
        observer.onCompleted();
    }
}
