package io.datainf.sidecar.admin;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Peers that mean no good. What the server does to them must not depend on what they do: each waits for the server to act. */
class AdminServerLimitsTest {

    private static final int MAX_CONNECTIONS = Integer.getInteger("jdk.httpserver.maxConnections");
    private static final int PATIENCE_MILLIS = 60_000;
    private static final String HEALTH = "GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

    private final List<Socket> sockets = new ArrayList<>();
    private AdminServer server;

    @BeforeEach
    void start() throws IOException {
        server = AdminServer.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                contentType -> "",
                Optional::empty,
                new StatusPage(new RecentErrors()),
                HttpGuard.NONE);
    }

    @AfterEach
    void close() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        server.close();
    }

    @Test
    void requestThatDoesNotEnd_isCutOff() throws IOException {
        Socket slow = connect();
        send(slow, "GET /healthz HTTP/1.1\r\nHost: he");

        assertThat(answer(slow)).isEmpty();
        assertThat(healthStatus()).contains(" 200 ");
    }

    @Test
    void headersBeyondTheLimit_areRefused() throws IOException {
        Socket fat = connect();
        send(fat, "GET /healthz HTTP/1.1\r\nHost: here\r\nX-Fat: " + "x".repeat(64 << 10));

        assertThat(answer(fat)).doesNotContain(" 200 ");
        assertThat(healthStatus()).contains(" 200 ");
    }

    @Test
    @Timeout(120)
    void connectionsBeyondTheLimit_areClosedAndLaterOnesServed() throws IOException {
        for (int i = 0; i < MAX_CONNECTIONS; i++) {
            Socket idle = connect();
            // Answered: counted by the server, and kept open.
            send(idle, HEALTH.replace("Connection: close\r\n", ""));
            assertThat(idle.getInputStream().read()).isEqualTo('H');
        }
        Socket oneMore = connect();
        assertThat(answer(oneMore)).isEmpty();

        for (Socket socket : sockets) {
            socket.close();
        }
        String status = "";
        while (!status.contains(" 200 ")) { // until the server has seen that they are gone
            status = healthStatus();
        }
    }

    private String healthStatus() throws IOException {
        Socket socket = connect();
        send(socket, HEALTH);
        return answer(socket);
    }

    private Socket connect() throws IOException {
        Socket socket =
                new Socket(server.address().getAddress(), server.address().getPort());
        socket.setSoTimeout(PATIENCE_MILLIS);
        sockets.add(socket);
        return socket;
    }

    private static void send(Socket socket, String text) throws IOException {
        try {
            socket.getOutputStream().write(text.getBytes(US_ASCII));
        } catch (SocketException e) { // closed by the server
            assertThat(e).hasMessageMatching(".*(reset|Broken pipe|closed).*");
        }
    }

    /** What the server says until it closes. */
    private static String answer(Socket socket) throws IOException {
        try {
            return new String(socket.getInputStream().readAllBytes(), US_ASCII);
        } catch (SocketException e) {
            return "";
        }
    }
}
