package io.datainf.sidecar.admin;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLParameters;

/**
 * HTTP for operators: {@code /metrics} (Prometheus), {@code /healthz} (200 while the process lives), {@code /readyz} (200
 * while it serves, 503 with the reason otherwise). GET and HEAD only.
 */
public final class AdminServer implements AutoCloseable {

    private static final int BACKLOG = 16;
    private static final String TEXT = "text/plain; charset=utf-8";
    private static final String PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";

    private final HttpServer server;
    private final HttpGuard guard;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    private AdminServer(HttpServer server, HttpGuard guard) {
        this.server = server;
        this.guard = guard;
    }

    /**
     * Binds and starts.
     *
     * @param address where to listen; port 0 picks a free one
     * @param metrics returns the metrics for a content type
     * @param notReady why the server does not serve; empty while it does
     * @param guard who may read metrics; health and readiness are open to everybody who can connect
     * @throws IOException if the address cannot be bound
     */
    public static AdminServer start(
            InetSocketAddress address,
            UnaryOperator<String> metrics,
            Supplier<Optional<String>> notReady,
            HttpGuard guard)
            throws IOException {
        AdminServer admin = new AdminServer(bind(address, guard), guard);
        admin.route("/metrics", true, () -> new Page(200, PROMETHEUS_TEXT, metrics.apply(PROMETHEUS_TEXT)));
        admin.route("/healthz", false, () -> new Page(200, TEXT, "ok\n"));
        admin.route(
                "/readyz",
                false,
                () -> notReady.get()
                        .map(reason -> new Page(503, TEXT, reason + "\n"))
                        .orElseGet(() -> new Page(200, TEXT, "ready\n")));
        admin.route("/", false, () -> new Page(200, TEXT, "DataInf sidecar: /metrics /healthz /readyz\n"));
        admin.server.setExecutor(admin.threads);
        admin.server.start();
        return admin;
    }

    /** The address bound. */
    public InetSocketAddress address() {
        return server.getAddress();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.close();
    }

    private static HttpServer bind(InetSocketAddress address, HttpGuard guard) throws IOException {
        try {
            if (guard.tls().isEmpty()) {
                return HttpServer.create(address, BACKLOG);
            }
            HttpsServer server = HttpsServer.create(address, BACKLOG);
            server.setHttpsConfigurator(new HttpsConfigurator(guard.tls().get()) {
                @Override
                public void configure(HttpsParameters parameters) {
                    SSLParameters tls = getSSLContext().getDefaultSSLParameters();
                    tls.setNeedClientAuth(guard.clientCertificates());
                    parameters.setSSLParameters(tls);
                }
            });
            return server;
        } catch (IOException e) {
            throw new IOException("cannot listen on http address %s: %s".formatted(address, e.getMessage()), e);
        }
    }

    private void route(String path, boolean guarded, Supplier<Page> page) {
        server.createContext(path, exchange -> {
            try (exchange) {
                answer(exchange, path, page, guarded);
            }
        });
    }

    private void answer(HttpExchange exchange, String path, Supplier<Page> page, boolean guarded) throws IOException {
        String method = exchange.getRequestMethod();
        if (!method.equals("GET") && !method.equals("HEAD")) {
            exchange.getResponseHeaders().set("Allow", "GET, HEAD");
            send(exchange, new Page(405, TEXT, "method is %s: expected GET or HEAD%n".formatted(method)));
        } else if (!exchange.getRequestURI().getPath().equals(path)) {
            send(exchange, new Page(404, TEXT, "no such page: there are /metrics, /healthz and /readyz\n"));
        } else if (guarded && !guard.allows(exchange.getRequestHeaders().getFirst("Authorization"))) {
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
            send(exchange, new Page(401, TEXT, "expected 'Authorization: Bearer TOKEN' with scope metrics\n"));
        } else {
            send(exchange, page.get());
        }
    }

    private static void send(HttpExchange exchange, Page page) throws IOException {
        byte[] body = page.body().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", page.contentType());
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(body.length));
            exchange.sendResponseHeaders(page.status(), -1);
        } else {
            exchange.sendResponseHeaders(page.status(), body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private record Page(int status, String contentType, String body) {}
}
