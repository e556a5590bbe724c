package io.datainf.sidecar.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.TokenFile;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AdminServerTest {

    private final AtomicReference<Optional<String>> notReady = new AtomicReference<>(Optional.empty());
    private final HttpClient client = HttpClient.newHttpClient();
    private AdminServer server;

    @TempDir
    private Path folder;

    @BeforeEach
    void start() throws IOException {
        InetSocketAddress anyPort = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        server = AdminServer.start(
                anyPort,
                contentType -> "up 1 " + contentType,
                notReady::get,
                new StatusPage(new RecentErrors()),
                HttpGuard.NONE);
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

    @Test
    void statusPage_allowsNothingButItsOwnStyle() throws Exception {
        HttpResponse<String> response = request("GET", "/");

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).hasValue("text/html; charset=utf-8");
        assertThat(response.headers().firstValue("X-Content-Type-Options")).hasValue("nosniff");
        assertThat(response.headers().firstValue("Cache-Control")).hasValue("no-store");
        String css = response.body().replaceAll("(?s).*<style>(.*)</style>.*", "$1");
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(css.getBytes(StandardCharsets.UTF_8));
        assertThat(response.headers().firstValue("Content-Security-Policy"))
                .hasValueSatisfying(policy -> assertThat(policy)
                        .contains(
                                "default-src 'none'",
                                "style-src 'sha256-%s'"
                                        .formatted(Base64.getEncoder().encodeToString(digest))));
        assertThat(response.body()).doesNotContain("style=", "<script", "http://", "https://");
    }

    @Test
    void statusPage_withTokens_isForThoseOfMetricsAndAdmin_alsoAsPassword() throws Exception {
        Path file = folder.resolve("tokens.yaml");
        Files.writeString(
                file, """
                - {name: p, sha256: "%s", scopes: [metrics]}
                - {name: a, sha256: "%s", scopes: [admin]}
                - {name: q, sha256: "%s", scopes: [query, ingest]}
                """.formatted(TokenFile.hash("metrics:1"), TokenFile.hash("admin-1"), TokenFile.hash("query-1")));
        HttpGuard guard = new HttpGuard(Optional.empty(), false, Optional.of(TokenFile.open(file, Quota.DEFAULT)));
        server.close();
        server = AdminServer.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                contentType -> "up 1",
                notReady::get,
                new StatusPage(new RecentErrors()),
                guard);

        HttpResponse<String> refused = request("GET", "/");
        assertThat(refused.statusCode()).isEqualTo(401);
        assertThat(refused.body()).contains("scope admin or metrics").doesNotContain("<html");
        assertThat(refused.headers().allValues("WWW-Authenticate"))
                .hasSize(2)
                .contains("Bearer")
                .anyMatch(challenge -> challenge.startsWith("Basic realm="));
        assertThat(request("GET", "/metrics").headers().allValues("WWW-Authenticate"))
                .containsExactly("Bearer");

        assertThat(status("/", "Bearer metrics:1")).isEqualTo(200);
        assertThat(status("/", "Bearer admin-1")).isEqualTo(200);
        assertThat(status("/", "Bearer query-1")).isEqualTo(401);
        assertThat(status("/", basic("anyone", "metrics:1"))).isEqualTo(200);
        assertThat(status("/", basic("", "admin-1"))).isEqualTo(200);
        assertThat(status("/", basic("admin-1", ""))).isEqualTo(401);
        assertThat(status("/", basic("anyone", "query-1"))).isEqualTo(401);
        assertThat(status("/", "Basic ???")).isEqualTo(401);
        assertThat(status("/metrics", "Bearer admin-1")).isEqualTo(401);
        assertThat(status("/metrics", basic("prometheus", "metrics:1"))).isEqualTo(200);
    }

    private static String basic(String user, String password) {
        byte[] credentials = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        return "Basic " + Base64.getEncoder().encodeToString(credentials);
    }

    private int status(String path, String authorization) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri(path))
                .header("Authorization", authorization)
                .build();
        return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:%d%s".formatted(server.address().getPort(), path));
    }

    private HttpResponse<String> request(String method, String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri(path))
                .method(method, HttpRequest.BodyPublishers.noBody())
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
