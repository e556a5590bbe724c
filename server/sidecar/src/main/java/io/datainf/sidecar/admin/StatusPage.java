package io.datainf.sidecar.admin;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.Template;
import io.datainf.sidecar.security.Caller;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The page at {@code /}: what the server holds and does, as plain HTML with SVG, without a script. Behind the question mark may stand
 * {@code run=NAME}, whose blocks are drawn, and {@code pause=1}, with which the page does not come again every 5 s.
 */
public final class StatusPage {

    private static final String REFRESH_SECONDS = "5";
    private static final String RUN = "run";
    private static final String PAUSE = "pause";

    private final RecentErrors errors;
    private final String css = resource("status.css");
    // Escapes whatever it is given.
    private final Template template =
            Mustache.compiler().escapeHTML(true).emptyStringIsFalse(true).compile(resource("status.html"));
    private final Map<String, String> headers = headers(css);
    private volatile @Nullable StatusSources sources;

    /** Creates a page that says that the server starts. */
    public StatusPage(RecentErrors errors) {
        this.errors = errors;
    }

    /** Shows the server. */
    public void show(StatusSources shown) {
        sources = shown;
    }

    /** HTTP headers of the page: nothing but its own style sheet takes effect. */
    Map<String, String> headers() {
        return headers;
    }

    /** Makes the page, one at a time, so that many who ask take the time of one. */
    synchronized String render(Caller caller, Optional<String> query) {
        Map<String, String> parameters = query.map(StatusPage::parse).orElse(Map.of());
        StatusSources shown = sources;
        if (shown == null) {
            return template.execute(starting());
        }
        Optional<String> run = Optional.ofNullable(parameters.get(RUN));
        boolean paused = parameters.containsKey(PAUSE);
        StatusReport report = new StatusReport(shown, caller);
        return template.execute(new StatusView(
                frame(run, paused),
                report.facts(),
                report.sections(),
                report.rates(),
                List.of(report.runs(run)),
                List.of(report.queries()),
                report.errors(errors)));
    }

    private StatusView starting() {
        return new StatusView(
                frame(Optional.empty(), false),
                List.of(new StatusView.Fact("State", "starting")),
                List.of(),
                List.of(),
                List.of(),
                List.of(),
                List.of());
    }

    private StatusView.Frame frame(Optional<String> run, boolean paused) {
        return new StatusView.Frame(css, paused ? List.of() : List.of(REFRESH_SECONDS), link(run, !paused));
    }

    private static String link(Optional<String> run, boolean paused) {
        String ofRun = run.map(id -> RUN + "=" + URLEncoder.encode(id, StandardCharsets.UTF_8) + "&")
                .orElse("");
        return "?" + ofRun + (paused ? PAUSE + "=1" : "");
    }

    private static Map<String, String> parse(String query) {
        Map<String, String> parameters = new HashMap<>();
        for (String part : query.split("&", -1)) {
            String[] pair = part.split("=", 2);
            try {
                parameters.put(pair[0], pair.length < 2 ? "" : URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
            } catch (IllegalArgumentException e) {
                // A % without its digits: as if it were not there.
            }
        }
        return parameters;
    }

    private static Map<String, String> headers(String css) {
        return Map.of(
                "Content-Security-Policy",
                "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                        .formatted(sha256(css)),
                "X-Content-Type-Options",
                "nosniff",
                "Referrer-Policy",
                "no-referrer",
                "Cache-Control",
                "no-store");
    }

    private static String sha256(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return Base64.getEncoder().encodeToString(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private static String resource(String name) {
        try (InputStream stream = Objects.requireNonNull(StatusPage.class.getResourceAsStream(name), name)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
