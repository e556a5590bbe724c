package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.DataDirectoryInUseException;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.RunServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** The whole server in this JVM; what the launcher and signals add is tested by client/python against the distribution. */
class SidecarTest {

    @TempDir
    private Path folder;

    @Test
    void start_thenClose_servesAndLeavesNothingBehind() throws Exception {
        Path socket = folder.resolve("grpc.sock");
        Path readyFile = folder.resolve("ready.json");

        try (Sidecar sidecar = Sidecar.start(config("data"))) {
            assertThat(readyFile)
                    .content()
                    .contains(
                            "\"grpc\": \"" + ReadyFile.text(sidecar.grpcAddress()) + "\"",
                            "\"http\": \"" + ReadyFile.text(sidecar.httpAddress()) + "\"",
                            "\"unix\": \"" + socket + "\"",
                            "\"pid\": " + ProcessHandle.current().pid());
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                    .isEqualTo("rw-------");
            assertThat(health(sidecar)).isEqualTo(ServingStatus.SERVING);
            assertThat(page(sidecar, "/readyz")).isEqualTo("ready\n");
            assertThat(page(sidecar, "/metrics"))
                    .contains(
                            "datainf_runs 0.0",
                            "datainf_kernels_warm",
                            "grpc_server_processing_duration_seconds_count",
                            "status_code=\"OK\"");
        }

        assertThat(readyFile).doesNotExist();
        assertThat(socket).doesNotExist();
    }

    @Test
    void statusPage_tellsOfTheServerAndOfRefusedCalls() throws Exception {
        try (Sidecar sidecar = Sidecar.start(config("data"))) {
            ManagedChannel channel = NettyChannelBuilder.forAddress(sidecar.grpcAddress())
                    .usePlaintext()
                    .build();
            try {
                assertThatThrownBy(() -> RunServiceGrpc.newBlockingStub(channel)
                                .getRun(GetRunRequest.newBuilder()
                                        .setRunId("no-such-run")
                                        .build()))
                        .isInstanceOf(StatusRuntimeException.class);
            } finally {
                channel.shutdownNow();
            }
            LoggerFactory.getLogger("a.b.Disk").warn("the disk is <slow>");

            assertThat(page(sidecar, "/"))
                    .contains(
                            "<dd>gRPC " + ReadyFile.text(sidecar.grpcAddress()),
                            "<dd>vector, 1 threads</dd>",
                            "<th scope=\"row\">Data directory</th><td>" + folder.resolve("data"),
                            "· GetRun · run no-such-run · 1 ×</span><br>NOT_FOUND: ",
                            "· log WARN Disk · 1 ×</span><br>the disk is &lt;slow&gt;");
        }
    }

    @Test
    void start_onDirectoryInUse_saysSoAndFreesItsPort() throws Exception {
        try (Sidecar first = Sidecar.start(config("data"))) {
            assertThatThrownBy(() -> Sidecar.start(config("data")))
                    .isInstanceOf(DataDirectoryInUseException.class)
                    .hasMessageContaining(folder.resolve("data").toString());
            assertThat(health(first)).isEqualTo(ServingStatus.SERVING);
        }
    }

    @Test
    void start_onPortInUse_namesTheAddress() throws Exception {
        try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            InetSocketAddress taken = (InetSocketAddress) other.getLocalSocketAddress();
            InetSocketAddress free = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

            assertThatThrownBy(() -> Sidecar.start(config("data", taken, free)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll("127.0.0.1:" + taken.getPort(), "in use");
            assertThatThrownBy(() -> Sidecar.start(config("data", free, taken)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll("http", "127.0.0.1:" + taken.getPort(), "in use");
        }
    }

    @Test
    void start_onSocketOfAKilledServer_takesItOver() throws Exception {
        Path socket = folder.resolve("grpc.sock");
        // Closing a Java socket leaves its file, as kill -9 does.
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(socket));
        }
        assertThat(socket).exists();

        try (Sidecar sidecar = Sidecar.start(config("data"))) {
            assertThat(health(sidecar)).isEqualTo(ServingStatus.SERVING);
        }
    }

    @Test
    void start_onSocketThatIsServed_isRefused() throws Exception {
        Path socket = folder.resolve("grpc.sock");
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(socket));

            assertThatThrownBy(() -> Sidecar.start(config("data")))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("another process listens there");
        }
        assertThat(socket).exists();
    }

    @Test
    void start_onSocketPathThatIsAFile_isRefusedAndTheFileStays() throws Exception {
        Files.writeString(folder.resolve("grpc.sock"), "precious");

        assertThatThrownBy(() -> Sidecar.start(config("data")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is no socket");
        assertThat(folder.resolve("grpc.sock")).hasContent("precious");
    }

    private ServerConfig config(String dataDirectory) {
        return config(dataDirectory, TestConfig.ANY_PORT, TestConfig.ANY_PORT);
    }

    private ServerConfig config(String dataDirectory, InetSocketAddress grpc, InetSocketAddress http) {
        Optional<Path> readyFile = Optional.of(folder.resolve("ready.json"));
        return TestConfig.of(
                folder.resolve(dataDirectory),
                TestConfig.listeners(folder, grpc, http, ServerConfig.Security.NONE, readyFile));
    }

    private static ServingStatus health(Sidecar sidecar) {
        ManagedChannel channel = NettyChannelBuilder.forAddress(sidecar.grpcAddress())
                .usePlaintext()
                .build();
        try {
            return HealthGrpc.newBlockingStub(channel)
                    .check(HealthCheckRequest.getDefaultInstance())
                    .getStatus();
        } finally {
            channel.shutdownNow();
        }
    }

    private static String page(Sidecar sidecar, String path) throws IOException, InterruptedException {
        URI uri = URI.create("http://" + ReadyFile.text(sidecar.httpAddress()) + path);
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
                    .body();
        }
    }
}
