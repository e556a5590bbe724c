package io.datainf.sidecar.server;

import io.datainf.sidecar.admin.HttpGuard;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.TokenFile;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.util.AdvancedTlsX509KeyManager;
import io.grpc.util.AdvancedTlsX509TrustManager;
import io.grpc.util.CertificateUtils;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Certificates and tokens, looked at again every 20 s. New connections meet what is in the files then, open ones keep what they
 * began with; tokens count from the next call on. Files that are wrong leave everything as it was, and the log says so.
 */
final class ServerSecurity implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ServerSecurity.class);
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(20);
    private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};

    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("datainf-security").factory());
    private final long lookAgainMillis;
    private volatile @Nullable AdvancedTlsX509KeyManager identity;
    private volatile @Nullable AdvancedTlsX509TrustManager clients;
    private volatile @Nullable TokenFile tokens;

    private ServerSecurity(long lookAgainMillis) {
        this.lookAgainMillis = lookAgainMillis;
    }

    /**
     * Reads the files.
     *
     * @throws IOException if one cannot be read or holds something else
     */
    static ServerSecurity open(ServerConfig.Security config, Quota usual) throws IOException {
        return open(config, usual, LOOK_AGAIN);
    }

    /** The same, looking again each so often. */
    static ServerSecurity open(ServerConfig.Security config, Quota usual, Duration lookAgain) throws IOException {
        ServerSecurity security = new ServerSecurity(lookAgain.toMillis());
        try {
            if (config.tls().isPresent()) {
                ServerConfig.TlsFiles files = config.tls().get();
                security.readIdentity(files);
                security.readAuthorities(files);
                security.again(() -> security.refresh(files));
            }
            if (config.tokens().isPresent()) {
                TokenFile file = TokenFile.open(config.tokens().get(), usual);
                security.tokens = file;
                security.again(file::refresh);
            }
            return security;
        } catch (IOException | RuntimeException e) {
            security.close();
            throw e;
        }
    }

    /** One of which each call over TCP needs; empty: none. */
    Optional<TokenFile> tokens() {
        return Optional.ofNullable(tokens);
    }

    /** Of the certificate that new connections get. */
    String serialNumber() {
        AdvancedTlsX509KeyManager keys = Objects.requireNonNull(identity, "no TLS");
        return keys.getCertificateChain(keys.chooseEngineServerAlias("", null, null))[0]
                .getSerialNumber()
                .toString();
    }

    /** What gRPC over TCP speaks; empty: plain text. */
    Optional<SslContext> forGrpc() throws IOException {
        if (identity == null) {
            return Optional.empty();
        }
        SslContextBuilder builder = GrpcSslContexts.configure(SslContextBuilder.forServer(identity), SslProvider.JDK)
                .protocols(PROTOCOLS);
        if (clients != null) {
            builder.trustManager(clients).clientAuth(ClientAuth.REQUIRE);
        }
        return Optional.of(builder.build());
    }

    /** What stands before the HTTP port. */
    HttpGuard forHttp() throws IOException {
        if (identity == null) {
            return new HttpGuard(Optional.empty(), false, tokens());
        }
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[] {identity}, clients == null ? null : new TrustManager[] {clients}, null);
            return new HttpGuard(Optional.of(context), clients != null, tokens());
        } catch (GeneralSecurityException e) {
            throw new IOException("TLS for http cannot be set up: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    private void again(Runnable refresh) {
        Future<?> ignored =
                timer.scheduleWithFixedDelay(refresh, lookAgainMillis, lookAgainMillis, TimeUnit.MILLISECONDS);
    }

    /** Takes in files that have changed. What grpc-java offers for that looks once a minute at most, which is too late. */
    private void refresh(ServerConfig.TlsFiles files) {
        try {
            readIdentity(files);
            readAuthorities(files);
        } catch (IOException e) {
            LOG.error("the certificates stay as they were: {}", e.getMessage());
        }
    }

    private void readIdentity(ServerConfig.TlsFiles files) throws IOException {
        AdvancedTlsX509KeyManager keys = identity == null ? new AdvancedTlsX509KeyManager() : identity;
        try {
            X509Certificate[] chain = certificates(files.certificate());
            PrivateKey key = key(files.key());
            requireMatch(chain, key);
            keys.updateIdentityCredentials(chain, key);
            identity = keys;
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            throw new IOException(
                    "tls-cert %s and tls-key %s: expected a PEM certificate chain and its unencrypted PKCS#8 key: %s"
                            .formatted(files.certificate(), files.key(), e.getMessage()),
                    e);
        }
    }

    private static X509Certificate[] certificates(Path path) throws IOException, GeneralSecurityException {
        try (InputStream file = Files.newInputStream(path)) {
            return CertificateUtils.getX509Certificates(file);
        }
    }

    private static PrivateKey key(Path path) throws IOException, GeneralSecurityException {
        try (InputStream file = Files.newInputStream(path)) {
            return CertificateUtils.getPrivateKey(file);
        }
    }

    /** While both files are being replaced, they can be read one new and one old, or one half written. */
    private static void requireMatch(X509Certificate[] chain, PrivateKey key) throws GeneralSecurityException {
        if (chain.length == 0) {
            throw new CertificateException("there is no certificate");
        }
        Signature signature = Signature.getInstance(
                switch (key.getAlgorithm()) {
                    case "EC" -> "SHA256withECDSA";
                    case "RSA" -> "SHA256withRSA";
                    default -> key.getAlgorithm(); // Ed25519 and the like
                });
        signature.initSign(key);
        byte[] signed = signature.sign();
        signature.initVerify(chain[0]);
        if (!signature.verify(signed)) {
            throw new CertificateException("the key is that of another certificate");
        }
    }

    private void readAuthorities(ServerConfig.TlsFiles files) throws IOException {
        if (files.clientAuthorities().isEmpty()) {
            return;
        }
        Path path = files.clientAuthorities().get();
        try {
            AdvancedTlsX509TrustManager trust = clients == null
                    ? AdvancedTlsX509TrustManager.newBuilder()
                            .setVerification(AdvancedTlsX509TrustManager.Verification.CERTIFICATE_ONLY_VERIFICATION)
                            .build()
                    : clients;
            trust.updateTrustCredentials(path.toFile());
            clients = trust;
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            throw new IOException("tls-client-ca %s: expected PEM certificates: %s".formatted(path, e.getMessage()), e);
        }
    }
}
