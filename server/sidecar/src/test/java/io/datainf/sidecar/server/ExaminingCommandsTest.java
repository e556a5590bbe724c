package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** {@code config validate} and {@code doctor}, as they are called. */
class ExaminingCommandsTest {

    private final StringWriter output = new StringWriter();

    @TempDir
    private Path folder;

    @Test
    void validate_printsWhereEachValueIsFrom() throws IOException {
        Path file = Files.writeString(folder.resolve("datainf.yaml"), "query-queue: 7\n");

        int exitCode =
                run(Map.of("DATAINF_THREADS", "3"), "config", "validate", "--config=" + file, "--listen=127.0.0.1:9");

        assertThat(exitCode).isZero();
        assertThat(output.toString().lines())
                .anyMatch(line -> line.matches("--listen +127.0.0.1:9 +command line"))
                .anyMatch(line -> line.matches("--query-queue +7 +configuration file"))
                .anyMatch(line -> line.matches("--threads +3 +DATAINF_THREADS"))
                .anyMatch(line -> line.matches("--data-dir +datainf-data +default"))
                .contains("valid");
        assertThat(folder).isDirectoryNotContaining("glob:**/datainf-data");
    }

    @Test
    void validate_ofWhatIsWrong_namesIt() throws IOException {
        assertThat(run(Map.of(), "config", "validate", "--threads=0")).isEqualTo(2);
        assertThat(output.toString()).contains("threads is 0");

        Path tokens = Files.writeString(folder.resolve("tokens.yaml"), "- name: x\n");
        assertThat(run(Map.of(), "config", "validate", "--tokens=" + tokens)).isEqualTo(1);
        assertThat(output.toString()).contains(tokens.toString(), "scopes is null");

        assertThat(run(Map.of(), "config")).isEqualTo(2);
        assertThat(output.toString()).contains("expected validate");
    }

    @Test
    void doctor_looksAtEverythingAndLeavesNothing() throws IOException {
        int exitCode = run(
                Map.of(),
                "doctor",
                "--data-dir=" + folder.resolve("data"),
                "--memory-budget=1MiB",
                "--query-memory=1MiB",
                "--unix-socket=" + folder.resolve("socket"),
                "--shared-memory=1MiB",
                "--listen=127.0.0.1:0",
                "--http=127.0.0.1:0");

        assertThat(output.toString())
                .contains("java ", "memory ", "huge-pages ", "open-files ", "disk ", "MB/s")
                .contains("shared-memory ", "port ", "engine         vector", "gpu ", "clock ");
        assertThat(exitCode).isZero();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void doctor_ofAServerThatCannotRun_fails() throws IOException {
        try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int exitCode = run(
                    Map.of(),
                    "doctor",
                    "--data-dir=" + folder.resolve("data"),
                    "--memory-budget=1000TiB",
                    "--listen=127.0.0.1:" + other.getLocalPort(),
                    "--http=127.0.0.1:0");

            assertThat(exitCode).isEqualTo(1);
            assertThat(output.toString().lines())
                    .anyMatch(line -> line.startsWith("FAIL  memory") && line.contains("lower --memory-budget"))
                    .anyMatch(line -> line.startsWith("FAIL  port") && line.contains(":" + other.getLocalPort()));
        }
    }

    private int run(Map<String, String> environment, String... arguments) {
        CommandLine main = Main.commandLine();
        PrintWriter writer = new PrintWriter(output, true);
        main.setOut(writer);
        main.setErr(writer);
        return Main.run(main, arguments, environment);
    }
}
