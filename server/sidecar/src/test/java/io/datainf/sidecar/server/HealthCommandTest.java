package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.sidecar.admin.AdminServer;
import io.datainf.sidecar.admin.HttpGuard;
import io.datainf.sidecar.admin.RecentErrors;
import io.datainf.sidecar.admin.StatusPage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The command against the HTTP port alone; {@link SidecarSecurityTest} has it over TLS. */
class HealthCommandTest {

    private final Readiness readiness = new Readiness();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path folder;

    @Test
    void health_whileServing_is0() throws IOException {
        readiness.serve(Optional::empty);
        try (AdminServer server = server()) {
            assertThat(run("--http=" + ReadyFile.text(server.address()))).isEqualTo(0);
            assertThat(out.toString().strip()).isEqualTo("ready");
        }
    }

    @Test
    void health_whileNotServing_is1AndSaysWhy() throws IOException {
        try (AdminServer server = server()) {
            assertThat(run("--http=" + ReadyFile.text(server.address()))).isEqualTo(1);
            assertThat(out.toString().strip()).isEqualTo("starting");
        }
    }

    @Test
    void health_withoutServer_is1AndNamesTheAddress() throws IOException {
        String address;
        try (AdminServer server = server()) {
            address = ReadyFile.text(server.address());
        }
        assertThat(run("--http=" + address)).isEqualTo(1);
        assertThat(err.toString()).contains("http://" + address + "/readyz gives no answer", "refused");
    }

    @Test
    void health_findsTheServerByItsEnvironmentAndFile() throws IOException {
        readiness.serve(Optional::empty);
        Path file = folder.resolve("datainf.yaml");
        try (AdminServer server = server()) {
            // What listens on all addresses is asked on loopback.
            String address = "0.0.0.0:" + server.address().getPort();
            Files.writeString(file, "http: " + address + "\ndata-dir: data\n");

            assertThat(Main.run(new String[] {"health"}, Map.of("DATAINF_HTTP", address)))
                    .isEqualTo(0);
            assertThat(Main.run(new String[] {"health", "--config=" + file}, Map.of()))
                    .isEqualTo(0);
        }
        assertThat(Main.run(new String[] {"health", "--config=" + file}, Map.of()))
                .isEqualTo(1);
    }

    @Test
    void health_withPort0OrACertificateThatIsNone_saysWhatIsExpected() throws IOException {
        Path file = Files.writeString(folder.resolve("cert.pem"), "");

        assertThat(run("--http=127.0.0.1:0")).isEqualTo(2);
        assertThat(err.toString()).contains("http is port 0", "--ready-file");
        assertThat(run("--tls-cert=" + file)).isEqualTo(1);
        assertThat(err.toString()).contains("tls-cert " + file, "expected a PEM certificate");
    }

    private AdminServer server() throws IOException {
        return AdminServer.start(
                TestConfig.ANY_PORT, type -> "", readiness::whyNot, new StatusPage(new RecentErrors()), HttpGuard.NONE);
    }

    private int run(String option) {
        CommandLine main = Main.commandLine();
        main.setOut(new PrintWriter(out, true));
        main.setErr(new PrintWriter(err, true));
        return main.execute("health", option);
    }
}
