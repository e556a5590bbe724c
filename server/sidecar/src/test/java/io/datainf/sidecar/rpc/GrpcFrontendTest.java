package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.CapabilitiesServiceGrpc;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.GetCapabilitiesRequest;
import io.datainf.proto.v1.GetCapabilitiesResponse;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.Normalization;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.security.Quota;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GrpcFrontendTest {

    private TestServer server;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void getCapabilities_tellsLimitsAndOffers() throws Exception {
        GetCapabilitiesResponse capabilities = CapabilitiesServiceGrpc.newBlockingV2Stub(server.channel)
                .getCapabilities(GetCapabilitiesRequest.getDefaultInstance());
        assertThat(capabilities.getServerVersion()).isEqualTo("1.2.3");
        assertThat(capabilities.getEngine()).isEqualTo("vector");
        assertThat(capabilities.getMaxMessageBytes()).isEqualTo(4 << 20);
        assertThat(capabilities.getMaxQueryElements()).isEqualTo(32 << 20);
        assertThat(capabilities.getStoredElementTypesList())
                .containsExactly(ElementType.ELEMENT_TYPE_F32, ElementType.ELEMENT_TYPE_BF16);
        assertThat(capabilities.getMethodsList())
                .containsExactly(
                        InfluenceMethod.INFLUENCE_METHOD_DATAINF,
                        InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE,
                        InfluenceMethod.INFLUENCE_METHOD_LISSA,
                        InfluenceMethod.INFLUENCE_METHOD_LISSA_REFERENCE,
                        InfluenceMethod.INFLUENCE_METHOD_EXACT);
        assertThat(capabilities.getNormalizationsList())
                .containsExactly(
                        Normalization.NORMALIZATION_RAW,
                        Normalization.NORMALIZATION_COSINE,
                        Normalization.NORMALIZATION_RELATIF);
    }

    @Test
    void reflection_listsTheServices() throws Exception {
        BlockingClientCall<ServerReflectionRequest, ServerReflectionResponse> call =
                ServerReflectionGrpc.newBlockingV2Stub(server.channel).serverReflectionInfo();
        call.write(ServerReflectionRequest.newBuilder().setListServices("").build());
        ServerReflectionResponse response = call.read(20, TimeUnit.SECONDS);
        assertThat(response).isNotNull();
        assertThat(response.getListServicesResponse().getServiceList())
                .extracting(ServiceResponse::getName)
                .contains(
                        RunServiceGrpc.SERVICE_NAME,
                        IngestServiceGrpc.SERVICE_NAME,
                        InfluenceServiceGrpc.SERVICE_NAME,
                        AnalysisServiceGrpc.SERVICE_NAME,
                        CapabilitiesServiceGrpc.SERVICE_NAME,
                        "grpc.health.v1.Health");
    }

    @Test
    void limits_outOfRange_areRefused() {
        assertThatThrownBy(() -> new RpcLimits(100, 1, 1, 1, Quota.DEFAULT))
                .hasMessageContaining("maxMessageBytes is 100");
        assertThatThrownBy(() -> new RpcLimits(Integer.MAX_VALUE, 1, 1, 1, Quota.DEFAULT))
                .hasMessageContaining("maxMessageBytes");
        assertThatThrownBy(() -> new RpcLimits(4 << 20, 0, 1, 1, Quota.DEFAULT))
                .hasMessageContaining("maxUnackedBytes is 0");
        assertThatThrownBy(() -> new RpcLimits(4 << 20, 1, 0, 1, Quota.DEFAULT))
                .hasMessageContaining("maxInFlightBytes is 0");
        assertThatThrownBy(() -> new RpcLimits(4 << 20, 1, 1, 0, Quota.DEFAULT))
                .hasMessageContaining("maxQueryElements is 0");
    }
}
