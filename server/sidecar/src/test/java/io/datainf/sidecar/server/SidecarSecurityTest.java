package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.DeleteRunRequest;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.ListRunsRequest;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.proto.v1.RunServiceGrpc.RunServiceBlockingStub;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.TokenFile;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Those who may not come in, against the whole server over TLS. */
class SidecarSecurityTest {

    private static final String TOKENS = """
            - {name: trainer, sha256: "%s", scopes: [ingest], runs: ["exp-*"]}
            - {name: root, sha256: "%s", scopes: [ingest, query, admin, metrics]}
            """.formatted(TokenFile.hash("trainer-token"), TokenFile.hash("root-token"));

    private final List<ManagedChannel> channels = new ArrayList<>();
    private X509Bundle authority;

    @TempDir
    private Path folder;

    @BeforeEach
    void makeFiles() throws Exception {
        authority = new CertificateBuilder()
                .subject("CN=authority")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
        writeServerCertificate();
        Files.writeString(folder.resolve("ca.pem"), authority.getCertificatePEM());
        Files.writeString(folder.resolve("tokens.yaml"), TOKENS);
    }

    @AfterEach
    void closeChannels() {
        channels.forEach(ManagedChannel::shutdownNow);
    }

    @Test
    void tokens_allowWhatTheySayAndNothingElse() throws Exception {
        ServerConfig.Security security = new ServerConfig.Security(
                Optional.of(new ServerConfig.TlsFiles(
                        folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.empty())),
                Optional.of(folder.resolve("tokens.yaml")),
                false);
        try (Sidecar sidecar = Sidecar.start(config(security))) {
            RunServiceBlockingStub trainer = runs(sidecar, Optional.of("trainer-token"));
            RunServiceBlockingStub root = runs(sidecar, Optional.of("root-token"));
            trainer.createRun(create("exp-1"));
            root.createRun(create("other"));

            assertThat(trainer.listRuns(ListRunsRequest.getDefaultInstance()).getRunsList())
                    .extracting(Run::getRunId)
                    .containsExactly("exp-1");
            assertThat(root.listRuns(ListRunsRequest.getDefaultInstance()).getRunsCount())
                    .isEqualTo(2);

            RunServiceBlockingStub nobody = runs(sidecar, Optional.empty());
            RunServiceBlockingStub stranger = runs(sidecar, Optional.of("trainer-tokem"));
            assertDenied(
                    () -> nobody.listRuns(ListRunsRequest.getDefaultInstance()),
                    Status.Code.UNAUTHENTICATED,
                    "no token");
            assertDenied(
                    () -> stranger.createRun(create("exp-2")), Status.Code.UNAUTHENTICATED, "none of this server's");
            assertDenied(() -> trainer.createRun(create("other-2")), Status.Code.PERMISSION_DENIED, "'other-2'");
            assertDenied(() -> trainer.getRun(get("other")), Status.Code.PERMISSION_DENIED, "'other'");
            assertDenied(() -> trainer.getRun(get("no-such-run")), Status.Code.PERMISSION_DENIED, "'no-such-run'");
            assertDenied(
                    () -> trainer.getStatistics(
                            GetStatisticsRequest.newBuilder().setRunId("exp-1").build()),
                    Status.Code.PERMISSION_DENIED,
                    "needs scope admin or query: token 'trainer' has ingest");
            assertDenied(
                    () -> trainer.deleteRun(
                            DeleteRunRequest.newBuilder().setRunId("exp-1").build()),
                    Status.Code.PERMISSION_DENIED,
                    "needs scope admin");
            root.deleteRun(DeleteRunRequest.newBuilder().setRunId("exp-1").build());

            assertThat(HealthGrpc.newBlockingStub(tls(sidecar, TlsChannelCredentials.newBuilder()))
                            .check(HealthCheckRequest.getDefaultInstance())
                            .getStatusValue())
                    .isEqualTo(1);
            assertThat(http(sidecar, "/metrics", Optional.empty())).isEqualTo(401);
            assertThat(http(sidecar, "/metrics", Optional.of("trainer-token"))).isEqualTo(401);
            assertThat(http(sidecar, "/metrics", Optional.of("root-token"))).isEqualTo(200);
            assertThat(http(sidecar, "/", Optional.empty())).isEqualTo(401);
            assertThat(http(sidecar, "/", Optional.of("trainer-token"))).isEqualTo(401);
            assertThat(http(sidecar, "/", Optional.of("root-token"))).isEqualTo(200);
            assertThat(http(sidecar, "/readyz", Optional.empty())).isEqualTo(200);

            assertThat(health(sidecar, "cert.pem")).isEqualTo(0);
            X509Bundle other = new CertificateBuilder()
                    .subject("CN=localhost")
                    .setIsCertificateAuthority(true)
                    .buildSelfSigned();
            Files.writeString(folder.resolve("other.pem"), other.getCertificatePEM());
            assertThat(health(sidecar, "other.pem")).isEqualTo(1);

            ManagedChannel plain = opened(NettyChannelBuilder.forAddress(sidecar.grpcAddress())
                    .usePlaintext()
                    .build());
            assertThatThrownBy(() -> RunServiceGrpc.newBlockingStub(plain).getRun(get("exp-1")))
                    .satisfies(
                            e -> assertThat(Status.fromThrowable(e).getCode()).isEqualTo(Status.Code.UNAVAILABLE));
        }
    }

    @Test
    void healthAlone_needsNothingAndAllowsNothingElse() throws Exception {
        ServerConfig.Security security = new ServerConfig.Security(
                Optional.of(new ServerConfig.TlsFiles(
                        folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.of(folder.resolve("ca.pem")))),
                Optional.of(folder.resolve("tokens.yaml")),
                false);
        try (Sidecar sidecar = Sidecar.start(config(security))) {
            ManagedChannel plain = opened(
                    NettyChannelBuilder.forAddress(sidecar.healthAddress().orElseThrow())
                            .usePlaintext()
                            .build());

            assertThat(HealthGrpc.newBlockingStub(plain)
                            .check(HealthCheckRequest.getDefaultInstance())
                            .getStatus())
                    .isEqualTo(ServingStatus.SERVING);
            assertDenied(
                    () -> RunServiceGrpc.newBlockingStub(plain).listRuns(ListRunsRequest.getDefaultInstance()),
                    Status.Code.UNIMPLEMENTED,
                    "RunService");
        }
    }

    @Test
    void clientCertificates_ofOthersOrNoneOrExpired_areTurnedAway() throws Exception {
        ServerConfig.Security security = new ServerConfig.Security(
                Optional.of(new ServerConfig.TlsFiles(
                        folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.of(folder.resolve("ca.pem")))),
                Optional.empty(),
                false);
        X509Bundle good = new CertificateBuilder().subject("CN=client").buildIssuedBy(authority);
        X509Bundle expired = new CertificateBuilder()
                .subject("CN=client")
                .notBefore(Instant.now().minus(Duration.ofDays(2)))
                .notAfter(Instant.now().minus(Duration.ofDays(1)))
                .buildIssuedBy(authority);
        X509Bundle otherAuthority = new CertificateBuilder()
                .subject("CN=authority")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
        X509Bundle foreign = new CertificateBuilder().subject("CN=client").buildIssuedBy(otherAuthority);
        try (Sidecar sidecar = Sidecar.start(config(security))) {
            for (X509Bundle bad : List.of(expired, foreign)) {
                assertTurnedAway(tls(sidecar, with(bad)));
            }
            assertTurnedAway(tls(sidecar, TlsChannelCredentials.newBuilder()));

            assertThat(RunServiceGrpc.newBlockingStub(tls(sidecar, with(good)))
                            .listRuns(ListRunsRequest.getDefaultInstance())
                            .getRunsCount())
                    .isZero();
        }
    }

    @Test
    void certificates_thatAreReplaced_areShownToNewConnections() throws Exception {
        ServerConfig.Security security = new ServerConfig.Security(
                Optional.of(new ServerConfig.TlsFiles(
                        folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.empty())),
                Optional.empty(),
                false);
        try (ServerSecurity files = ServerSecurity.open(security, Quota.DEFAULT, Duration.ofMillis(20))) {
            String before = files.serialNumber();
            writeServerCertificate();
            Await.until("the new certificate", () -> !files.serialNumber().equals(before));
        }
    }

    @Test
    void files_thatAreWrong_endTheStartByName() throws Exception {
        Files.writeString(folder.resolve("key.pem"), "no key");
        ServerConfig.TlsFiles files =
                new ServerConfig.TlsFiles(folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.empty());

        assertThatThrownBy(() ->
                        Sidecar.start(config(new ServerConfig.Security(Optional.of(files), Optional.empty(), false))))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll("tls-key", folder.resolve("key.pem").toString());
    }

    @Test
    void addressesOfOtherHosts_needTlsAndAuthentication() {
        ServerConfig.TlsFiles files =
                new ServerConfig.TlsFiles(folder.resolve("cert.pem"), folder.resolve("key.pem"), Optional.empty());
        Optional<Path> tokens = Optional.of(folder.resolve("tokens.yaml"));
        InetSocketAddress everywhere = new InetSocketAddress("0.0.0.0", 0);

        for (ServerConfig.Security tooLittle : List.of(
                ServerConfig.Security.NONE,
                new ServerConfig.Security(Optional.of(files), Optional.empty(), false),
                new ServerConfig.Security(Optional.empty(), tokens, false))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> listeners(everywhere, tooLittle))
                    .withMessageContainingAll("listen is 0.0.0.0", "--tls-cert", "--tokens", "--insecure");
        }
        listeners(everywhere, new ServerConfig.Security(Optional.of(files), tokens, false));
        listeners(everywhere, new ServerConfig.Security(Optional.empty(), Optional.empty(), true));
    }

    private void writeServerCertificate() throws Exception {
        X509Bundle server = new CertificateBuilder()
                .subject("CN=localhost")
                .addSanDnsName("localhost")
                .addSanIpAddress("127.0.0.1")
                .buildIssuedBy(authority);
        Files.writeString(folder.resolve("cert.pem"), server.getCertificatePathPEM());
        Files.writeString(folder.resolve("key.pem"), server.getPrivateKeyPEM());
    }

    private static void assertDenied(ThrowingCallable call, Status.Code code, String message) {
        assertThatThrownBy(call).isInstanceOf(StatusRuntimeException.class).satisfies(e -> {
            Status status = Status.fromThrowable(e);
            assertThat(status.getCode()).describedAs(status.toString()).isEqualTo(code);
            assertThat(status.getDescription()).contains(message);
        });
    }

    /** The exit code of the command that trusts what is in a file. */
    private int health(Sidecar sidecar, String certificate) {
        return Main.run(
                new String[] {"health"},
                Map.of(
                        "DATAINF_HTTP",
                        ReadyFile.text(sidecar.httpAddress()),
                        "DATAINF_TLS_CERT",
                        folder.resolve(certificate).toString()));
    }

    private static void assertTurnedAway(ManagedChannel channel) {
        assertThatThrownBy(() -> RunServiceGrpc.newBlockingStub(channel).listRuns(ListRunsRequest.getDefaultInstance()))
                .satisfies(e -> assertThat(Status.fromThrowable(e).getCode()).isEqualTo(Status.Code.UNAVAILABLE));
    }

    private static TlsChannelCredentials.Builder with(X509Bundle client) throws IOException {
        return TlsChannelCredentials.newBuilder()
                .keyManager(stream(client.getCertificatePathPEM()), stream(client.getPrivateKeyPEM()));
    }

    private static ByteArrayInputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private ManagedChannel tls(Sidecar sidecar, TlsChannelCredentials.Builder credentials) throws IOException {
        return opened(NettyChannelBuilder.forAddress(
                        "127.0.0.1",
                        sidecar.grpcAddress().getPort(),
                        credentials
                                .trustManager(stream(authority.getCertificatePEM()))
                                .build())
                .build());
    }

    private RunServiceBlockingStub runs(Sidecar sidecar, Optional<String> token) throws IOException {
        Metadata headers = new Metadata();
        token.ifPresent(text ->
                headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + text));
        return RunServiceGrpc.newBlockingStub(tls(sidecar, TlsChannelCredentials.newBuilder()))
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private int http(Sidecar sidecar, String path, Optional<String> token) throws Exception {
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(authority.toKeyStore(new char[0]));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(
                "https://127.0.0.1:%d%s".formatted(sidecar.httpAddress().getPort(), path)));
        token.ifPresent(text -> request.header("Authorization", "Bearer " + text));
        try (HttpClient client = HttpClient.newBuilder().sslContext(context).build()) {
            return client.send(request.build(), HttpResponse.BodyHandlers.discarding())
                    .statusCode();
        }
    }

    private ManagedChannel opened(ManagedChannel channel) {
        channels.add(channel);
        return channel;
    }

    private static CreateRunRequest create(String runId) {
        BlockLayout layout = BlockLayout.newBuilder()
                .addBlocks(Block.newBuilder().setName("block").setRows(1).setColumns(3))
                .build();
        return CreateRunRequest.newBuilder()
                .setRun(Run.newBuilder().setRunId(runId).setLayout(layout))
                .build();
    }

    private static GetRunRequest get(String runId) {
        return GetRunRequest.newBuilder().setRunId(runId).build();
    }

    private ServerConfig config(ServerConfig.Security security) {
        return TestConfig.of(folder.resolve("data"), listeners(TestConfig.ANY_PORT, security));
    }

    private ServerConfig.Listeners listeners(InetSocketAddress grpc, ServerConfig.Security security) {
        return TestConfig.listeners(folder, grpc, TestConfig.ANY_PORT, security, Optional.empty());
    }
}
