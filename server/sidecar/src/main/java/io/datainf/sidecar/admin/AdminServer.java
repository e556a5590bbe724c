package io.datainf.sidecar.admin;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.Scope;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLParameters;

/**
 * HTTP for operators: {@code /} (the status page), {@code /metrics} (Prometheus), {@code /healthz} (200 while the process lives),
 * {@code /readyz} (200 while it serves, 503 with the reason otherwise). GET and HEAD only. How many may connect and how long they may
 * take is said by the launcher, since the JDK takes no limits but as properties of the process.
 */
public final class AdminServer implements AutoCloseable {

    private static final int BACKLOG = 16;
    private static final String TEXT = "text/plain; charset=utf-8";
    private static final String PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";
    private static final String HTML = "text/html; charset=utf-8";
    private static final Set<Scope> NOBODY_ASKED = Set.of();
    private static final Set<Scope> METRICS = EnumSet.of(Scope.METRICS);
    private static final Set<Scope> STATUS = EnumSet.of(Scope.METRICS, Scope.ADMIN);
    private static final String REALM = "Basic realm=\"DataInf sidecar: the token as password\", charset=\"UTF-8\"";

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
     * @param status the page for people
     * @param guard who may read metrics and status; health and readiness are open to everybody who can connect
     * @throws IOException if the address cannot be bound
     */
    public static AdminServer start(
            InetSocketAddress address,
            UnaryOperator<String> metrics,
            Supplier<Optional<String>> notReady,
            StatusPage status,
            HttpGuard guard)
            throws IOException {
        AdminServer admin = new AdminServer(bind(address, guard), guard);
        admin.route("/metrics", METRICS, asked -> Page.of(200, PROMETHEUS_TEXT, metrics.apply(PROMETHEUS_TEXT)));
        admin.route("/healthz", NOBODY_ASKED, asked -> Page.of(200, TEXT, "ok\n"));
        admin.route(
                "/readyz",
                NOBODY_ASKED,
                asked -> notReady.get()
                        .map(reason -> Page.of(503, TEXT, reason + "\n"))
                        .orElseGet(() -> Page.of(200, TEXT, "ready\n")));
        admin.route(
                "/",
                STATUS,
                asked -> new Page(200, HTML, status.render(asked.caller(), asked.query()), status.headers()));
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

    private void route(String path, Set<Scope> scopes, Function<Asked, Page> page) {
        server.createContext(path, exchange -> {
            try (exchange) {
                send(exchange, answer(exchange, path, scopes, page));
            }
        });
    }

    /** Whoever has one of the scopes gets the page; without scopes, everybody. */
    private Page answer(HttpExchange exchange, String path, Set<Scope> scopes, Function<Asked, Page> page) {
        String method = exchange.getRequestMethod();
        if (!method.equals("GET") && !method.equals("HEAD")) {
            exchange.getResponseHeaders().set("Allow", "GET, HEAD");
            return Page.of(405, TEXT, "method is %s: expected GET or HEAD%n".formatted(method));
        }
        if (!exchange.getRequestURI().getPath().equals(path)) {
            return Page.of(404, TEXT, "no such page: there are /, /metrics, /healthz and /readyz\n");
        }
        String authorization = exchange.getRequestHeaders().getFirst("Authorization");
        Optional<Caller> caller =
                scopes.isEmpty() ? Optional.of(HttpGuard.ANYBODY) : guard.caller(authorization, scopes);
        if (caller.isEmpty()) {
            exchange.getResponseHeaders().add("WWW-Authenticate", "Bearer");
            if (scopes.equals(STATUS)) {
                // A browser asks for the password then.
                exchange.getResponseHeaders().add("WWW-Authenticate", REALM);
            }
            String labels = String.join(
                    " or ", scopes.stream().map(Scope::label).sorted().toList());
            return Page.of(401, TEXT, "expected 'Authorization: Bearer TOKEN' with scope %s%n".formatted(labels));
        }
        return page.apply(new Asked(
                caller.get(), Optional.ofNullable(exchange.getRequestURI().getRawQuery())));
    }

    private static void send(HttpExchange exchange, Page page) throws IOException {
        byte[] body = page.body().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", page.contentType());
        page.headers().forEach(exchange.getResponseHeaders()::set);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(body.length));
            exchange.sendResponseHeaders(page.status(), -1);
        } else {
            exchange.sendResponseHeaders(page.status(), body.length);
            exchange.getResponseBody().write(body);
        }
    }

    /** Who asks for a page, and what stands behind the question mark. */
    private record Asked(Caller caller, Optional<String> query) {}

    private record Page(int status, String contentType, String body, Map<String, String> headers) {

        static Page of(int status, String contentType, String body) {
            return new Page(status, contentType, body, Map.of());
        }
    }
}
