package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.proto.v1.BlockStatistics;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.CreateRunResponse;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetRunResponse;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.GetStatisticsResponse;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc.RunServiceImplBase;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
final class DataInfClientTest {

    /** Knows one run: the last that was created. */
    private static final class RunPeer extends RunServiceImplBase {
        private Run run = Run.getDefaultInstance();

        @Override
        public void createRun(CreateRunRequest request, StreamObserver<CreateRunResponse> responses) {
            run = request.getRun().toBuilder()
                    .setLayoutHash("abc")
                    .setDimension(26)
                    .setSampleCount(2)
                    .setRevision(3)
                    .build();
            responses.onNext(CreateRunResponse.newBuilder().setRun(run).build());
            responses.onCompleted();
        }

        @Override
        public void getRun(GetRunRequest request, StreamObserver<GetRunResponse> responses) {
            if (!request.getRunId().equals(run.getRunId())) {
                responses.onError(Status.NOT_FOUND
                        .withDescription("no run " + request.getRunId())
                        .asRuntimeException());
                return;
            }
            responses.onNext(GetRunResponse.newBuilder().setRun(run).build());
            responses.onCompleted();
        }

        @Override
        public void getStatistics(GetStatisticsRequest request, StreamObserver<GetStatisticsResponse> responses) {
            responses.onNext(GetStatisticsResponse.newBuilder()
                    .setRevision(3)
                    .setSampleCount(2)
                    .addBlocks(BlockStatistics.newBuilder()
                            .setName("a")
                            .setDimension(6)
                            .setSquaredNormSum(12)
                            .setDamping(0.1)
                            .setSquaredNormMin(1)
                            .setSquaredNormMedian(2)
                            .setSquaredNormMax(3)
                            .setZeroGradientCount(4)
                            .setSkipped(true))
                    .build());
            responses.onCompleted();
        }
    }

    private static final RunDefinition DEFINITION = RunDefinition.builder("run")
            .block("a", 2, 3)
            .block("b", 4, 5)
            .storedAsBfloat16()
            .dampingScale(0.25)
            .checkpoint("step-7")
            .label("model", "tiny")
            .build();

    private final RunPeer runs = new RunPeer();

    @Test
    void createRun_sendsTheDefinitionAndReturnsTheRun() throws Exception {
        try (InProcessPeer peer = new InProcessPeer(runs)) {
            RunDescription run = peer.client().createRun(DEFINITION);
            assertThat(run)
                    .isEqualTo(new RunDescription(
                            "run",
                            List.of(new Block("a", 2, 3), new Block("b", 4, 5)),
                            "step-7",
                            "abc",
                            26,
                            2,
                            3,
                            0,
                            List.of()));
            assertThat(peer.client().getRun("run")).isEqualTo(run);
        }
        assertThat(runs.run.getStoredElementType()).isEqualTo(ElementType.ELEMENT_TYPE_BF16);
        assertThat(runs.run.getDampingScale()).isEqualTo(0.25);
        assertThat(runs.run.getLabelsMap()).isEqualTo(Map.of("model", "tiny"));
    }

    @Test
    void getRun_unknown_throwsNotFound() throws Exception {
        try (InProcessPeer peer = new InProcessPeer(runs)) {
            assertThatThrownBy(() -> peer.client().getRun("other")).hasMessage("no run other [NOT_FOUND]");
        }
    }

    @Test
    void statistics_returnsEachField() throws Exception {
        try (InProcessPeer peer = new InProcessPeer(runs)) {
            assertThat(peer.client().statistics("run"))
                    .isEqualTo(new RunStatistics(
                            3, 2, List.of(new RunStatistics.BlockStatistics("a", 6, 12, 0.1, 1, 2, 3, 4, true))));
        }
    }

    @Test
    void connect_hostAndPort_reachesTheServer() throws Exception {
        Server server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addService(runs)
                .build()
                .start();
        try (DataInfClient client = DataInfClient.connect("127.0.0.1:" + server.getPort())) {
            assertThat(client.createRun(DEFINITION).dimension()).isEqualTo(26);
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void connect_unixSocket_reachesTheServer(@TempDir Path folder) throws Exception {
        Path socket = folder.resolve("s");
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        Server server = NettyServerBuilder.forAddress(new DomainSocketAddress(socket.toString()))
                .channelType(EpollServerDomainSocketChannel.class)
                .bossEventLoopGroup(group)
                .workerEventLoopGroup(group)
                .addService(runs)
                .build()
                .start();
        try (DataInfClient client = DataInfClient.connect("unix:" + socket)) {
            assertThat(client.createRun(DEFINITION).dimension()).isEqualTo(26);
        } finally {
            server.shutdownNow();
            group.shutdownGracefully().awaitUninterruptibly();
        }
    }

    @Test
    void connect_nobodyThere_throwsUnavailable(@TempDir Path folder) {
        try (DataInfClient client = DataInfClient.connect("unix:" + folder.resolve("nobody"))) {
            assertThatThrownBy(() -> client.getRun("run")).hasMessageContaining("UNAVAILABLE");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "localhost", "localhost:", ":1", "unix:", "localhost:x"})
    void connect_badTarget_isRefused(String target) {
        assertThatThrownBy(() -> DataInfClient.connect(target).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"" + target + "\": expected");
    }

    @Test
    void block_emptyOrTooLarge_isRefused() {
        assertThatThrownBy(() -> new Block("a", 0, 3)).hasMessageContaining("block a is 0 x 3");
        assertThatThrownBy(() -> new Block("a", 1 << 16, 1 << 16)).hasMessageContaining("at most 2^31 - 1");
        assertThatThrownBy(() -> RunDefinition.builder("run").build()).hasMessageContaining("no blocks");
    }
}
