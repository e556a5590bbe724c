package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.sidecar.Await;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Connections that only take up room. */
class ConnectionLimitTest {

    private static final int MOST = 100; // TestConfig's
    private static final int ATTACKS = 10_000;

    @TempDir
    private Path folder;

    @Test
    void tenThousandIdleConnections_areClosedBeyondTheLimit_andClientsStay() throws Exception {
        ServerConfig config = TestConfig.of(
                folder.resolve("data"),
                TestConfig.listeners(
                        folder,
                        TestConfig.ANY_PORT,
                        TestConfig.ANY_PORT,
                        ServerConfig.Security.NONE,
                        Optional.empty()));
        List<Socket> idle = new ArrayList<>();
        try (Sidecar sidecar = Sidecar.start(config)) {
            ManagedChannel client = NettyChannelBuilder.forAddress(sidecar.grpcAddress())
                    .usePlaintext()
                    .build();
            try {
                check(client);
                int closed = 0;
                for (int i = 0; i < ATTACKS; i++) {
                    Socket socket = connect(sidecar.grpcAddress());
                    if (closedByServer(socket)) {
                        closed++;
                        socket.close();
                    } else {
                        idle.add(socket);
                    }
                }
                // On a slow machine the first are closed meanwhile, for saying nothing, and make room for others.
                assertThat(closed).isGreaterThan(ATTACKS - 10 * MOST);
                assertThat(sidecar.connectionCount()).isLessThanOrEqualTo(MOST);
                check(client);
                for (Socket socket : idle) {
                    socket.close();
                }
                Await.until("room for another", () -> connects(sidecar.grpcAddress()));
            } finally {
                client.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
            }
        }
    }

    private static Socket connect(InetSocketAddress address) throws IOException {
        Socket socket = new Socket();
        socket.connect(address, 20_000);
        socket.setSoTimeout(20_000);
        return socket;
    }

    /** A connection that is kept gets the server's settings. */
    private static boolean closedByServer(Socket socket) throws IOException {
        try {
            return socket.getInputStream().read() < 0;
        } catch (SocketException e) { // reset
            return true;
        }
    }

    private static boolean connects(InetSocketAddress address) {
        ManagedChannel channel =
                NettyChannelBuilder.forAddress(address).usePlaintext().build();
        try {
            check(channel);
            return true;
        } catch (StatusRuntimeException e) {
            return false;
        } finally {
            channel.shutdownNow();
        }
    }

    private static void check(ManagedChannel channel) {
        assertThat(HealthGrpc.newBlockingStub(channel)
                        .check(HealthCheckRequest.getDefaultInstance())
                        .getStatusValue())
                .isEqualTo(1);
    }
}
