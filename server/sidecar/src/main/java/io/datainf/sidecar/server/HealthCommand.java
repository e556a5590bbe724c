package io.datainf.sidecar.server;

import io.datainf.sidecar.server.OptionTypes.Seconds;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.concurrent.Callable;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code datainf-server health}: whether the server beside it serves, for the health checks of containers. */
@Command(
        name = "health",
        description = {
            "Asks /readyz of the server that runs with the same environment or configuration file. Exit code 0 if it serves;"
                    + " 1 if not, and why. Where clients need certificates (--tls-client-ca) it cannot ask: use --health of"
                    + " serve.",
            ""
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields; those without a default are @Nullable
final class HealthCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--http",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:9464",
            description = "Where the server's HTTP is. Default: ${DEFAULT-VALUE}")
    private InetSocketAddress http;

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description = "The server's certificate, PEM: asks over TLS, and trusts nothing else.")
    private @Nullable Path tlsCertificate;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            defaultValue = "5",
            description = "How long to wait for the answer. Default: ${DEFAULT-VALUE}")
    private Seconds timeout;

    @SuppressWarnings("UnusedVariable") // ConfigFile reads it before the other options; here it is only declared
    @Option(names = ConfigFile.OPTION, paramLabel = "FILE", description = "The server's YAML file with options.")
    private @Nullable Path config;

    @Override
    public Integer call() throws IOException {
        if (http.getPort() == 0) {
            throw new ParameterException(
                    spec.commandLine(), "http is port 0: expected the port that the server got, see --ready-file");
        }
        URI uri = URI.create("%s://%s/readyz".formatted(tlsCertificate == null ? "http" : "https", reachable(http)));
        try {
            HttpURLConnection connection = open(uri);
            int status = connection.getResponseCode();
            String answer = body(connection);
            spec.commandLine().getOut().println(answer.isEmpty() ? "HTTP status " + status : answer);
            spec.commandLine().getOut().flush();
            return status == HttpURLConnection.HTTP_OK ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
        } catch (IOException e) {
            throw new IOException("%s gives no answer: %s".formatted(uri, e.getMessage()), e);
        }
    }

    /** The address to connect to for what listens on one: 0.0.0.0 is all addresses, loopback among them. */
    private static String reachable(InetSocketAddress address) throws IOException {
        InetAddress host = address.getAddress();
        if (host == null) {
            throw new IOException("http names host '%s', which cannot be resolved".formatted(address.getHostString()));
        }
        return ReadyFile.text(
                host.isAnyLocalAddress()
                        ? new InetSocketAddress(InetAddress.getLoopbackAddress(), address.getPort())
                        : address);
    }

    private HttpURLConnection open(URI uri) throws IOException {
        int millis = Math.toIntExact(timeout.duration().toMillis());
        URLConnection connection = uri.toURL().openConnection();
        connection.setConnectTimeout(millis);
        connection.setReadTimeout(millis);
        if (connection instanceof HttpsURLConnection https && tlsCertificate != null) {
            https.setSSLSocketFactory(trusting(tlsCertificate).getSocketFactory());
            // It is the certificate in the file, whose names are those that clients use.
            https.setHostnameVerifier((host, session) -> true);
        }
        return (HttpURLConnection) connection;
    }

    private static SSLContext trusting(Path file) throws IOException {
        try (InputStream pem = Files.newInputStream(file)) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            // The first is the server's own.
            Certificate certificate = CertificateFactory.getInstance("X.509").generateCertificates(pem).stream()
                    .findFirst()
                    .orElseThrow(() -> new IOException("no certificate is in there"));
            store.setCertificateEntry("server", certificate);
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            throw new IOException("tls-cert %s: expected a PEM certificate: %s".formatted(file, e.getMessage()), e);
        }
    }

    private static String body(HttpURLConnection connection) throws IOException {
        try (@Nullable InputStream error = connection.getErrorStream();
                InputStream body = error == null ? connection.getInputStream() : error) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8).strip();
        }
    }
}
