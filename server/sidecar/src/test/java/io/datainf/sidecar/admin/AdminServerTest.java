package io.datainf.sidecar.admin;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AdminServerTest {

    private final AtomicReference<Optional<String>> notReady = new AtomicReference<>(Optional.empty());
    private final HttpClient client = HttpClient.newHttpClient();
    private AdminServer server;

    @BeforeEach
    void start() throws IOException {
        InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        server = AdminServer.start(anyPort, contentType -> "up 1 " + contentType, notReady::get, HttpGuard.NONE);
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    @Test
    void metrics_get_returnsPrometheusText() throws Exception {
        HttpResponse<String> response = request("GET", "/metrics");

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type"))
                .hasValueSatisfying(type -> assertThat(type).startsWith("text/plain; version=0.0.4"));
        assertThat(response.body()).startsWith("up 1 text/plain; version=0.0.4");
    }

    @Test
    void readyz_whileNotReady_says503AndWhy() throws Exception {
        notReady.set(Optional.of("draining"));

        HttpResponse<String> response = request("GET", "/readyz");

        assertThat(response.statusCode()).isEqualTo(503);
        assertThat(response.body()).isEqualTo("draining\n");
        assertThat(request("GET", "/healthz").statusCode()).isEqualTo(200);
    }

    @Test
    void readyz_whileReady_says200() throws Exception {
        assertThat(request("GET", "/readyz").statusCode()).isEqualTo(200);
    }

    @Test
    void head_hasHeadersAndNoBody() throws Exception {
        HttpResponse<String> response = request("HEAD", "/healthz");

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValueAsLong("Content-Length")).hasValue(3);
        assertThat(response.body()).isEmpty();
    }

    @Test
    void post_isRefusedWith405() throws Exception {
        HttpResponse<String> response = request("POST", "/metrics");

        assertThat(response.statusCode()).isEqualTo(405);
        assertThat(response.headers().firstValue("Allow")).hasValue("GET, HEAD");
        assertThat(response.body()).contains("POST");
    }

    @Test
    void unknownPage_is404() throws Exception {
        assertThat(request("GET", "/metrics/more").statusCode()).isEqualTo(404);
        assertThat(request("GET", "/nothing").statusCode()).isEqualTo(404);
    }

    private HttpResponse<String> request(String method, String path) throws Exception {
        URI uri = URI.create("http://127.0.0.1:%d%s".formatted(server.address().getPort(), path));
        HttpRequest request = HttpRequest.newBuilder(uri)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
