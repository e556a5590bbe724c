package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.sidecar.query.QueryLimits;
import io.datainf.sidecar.rpc.RpcLimits;
import io.datainf.sidecar.rpc.SharedMemory;
import io.datainf.sidecar.security.Quota;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

class ServeCommandTest {

    private static final boolean CUDA_BUILD =
            ServeCommandTest.class.getClassLoader().getResource("org/nd4j/linalg/jcublas/JCublasBackend.class") != null;

    @TempDir
    private Path folder;

    @Test
    void config_withoutOptions_isTheDefault() {
        ServerConfig config = parse(Map.of());

        assertThat(config.storage().dataDirectory()).isEqualTo(Path.of("datainf-data"));
        assertThat(ReadyFile.text(config.listeners().grpc())).isEqualTo("127.0.0.1:50051");
        assertThat(ReadyFile.text(config.listeners().http())).isEqualTo("127.0.0.1:9464");
        assertThat(config.listeners().unixSocket()).isEmpty();
        assertThat(config.listeners().unixSocketMode()).isEqualTo(PosixFilePermissions.fromString("rw-------"));
        assertThat(config.listeners().sharedMemory())
                .isEqualTo(new SharedMemory.Options(
                        Path.of("/dev/shm"), 512L << 20, PosixFilePermissions.fromString("rw-------")));
        assertThat(config.listeners().security()).isEqualTo(ServerConfig.Security.NONE);
        assertThat(config.listeners().health()).isEmpty();
        assertThat(config.listeners().readyFile()).isEmpty();
        assertThat(config.storage().memoryBudgetBytes()).isPositive();
        assertThat(config.storage().durability()).isEqualTo(Durability.FSYNC);
        assertThat(config.storage().compaction()).isEqualTo(CompactionOptions.DEFAULT);
        assertThat(config.threadCount()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(config.engine()).isEqualTo(EngineOptions.DEFAULT);
        assertThat(config.rpcLimits()).isEqualTo(RpcLimits.DEFAULT);
        assertThat(config.queryLimits()).isEqualTo(QueryLimits.DEFAULT);
        assertThat(config.drainTimeout()).isEqualTo(Duration.ofSeconds(20));
    }

    @Test
    void config_withEveryOption_mapsEach() {
        ServerConfig config = parse(
                Map.of(),
                "--data-dir=d",
                "--durability=os",
                "--compaction-share=0.5",
                "--compaction-deadline=60",
                "--compaction-rate=1MiB",
                "--listen=[::1]:1",
                "--unix-socket=u",
                "--unix-socket-mode=0660",
                "--shared-memory=12MiB",
                "--shared-memory-dir=m",
                "--http=localhost:2",
                "--health=0.0.0.0:3",
                "--insecure",
                "--reflection",
                "--max-connections=12",
                "--client-streams=13",
                "--client-in-flight=14MiB",
                "--client-runs=15",
                "--client-disk=16TiB",
                "--ready-file=r",
                "--memory-budget=3GiB",
                "--threads=4",
                "--engine=nd4j-cuda",
                "--device-memory=2GiB",
                "--max-message=5MiB",
                "--max-unacked=6MiB",
                "--max-in-flight=7MiB",
                "--max-query-elements=8",
                "--query-queue=9",
                "--query-memory=10GiB",
                "--solver-memory=11MiB",
                "--drain-timeout=1.5",
                "--log-format=json",
                "--otlp-endpoint=http://collector:4318",
                "--trace-sampling=0.25");

        assertThat(config.storage().dataDirectory()).isEqualTo(Path.of("d"));
        assertThat(config.listeners().grpc().getPort()).isEqualTo(1);
        assertThat(config.listeners().unixSocket()).hasValue(Path.of("u"));
        assertThat(config.listeners().unixSocketMode()).isEqualTo(PosixFilePermissions.fromString("rw-rw----"));
        assertThat(config.listeners().sharedMemory())
                .isEqualTo(new SharedMemory.Options(
                        Path.of("m"), 12L << 20, PosixFilePermissions.fromString("rw-rw----")));
        assertThat(config.listeners().http().getPort()).isEqualTo(2);
        assertThat(config.listeners().health()).hasValue(new InetSocketAddress("0.0.0.0", 3));
        assertThat(config.listeners().security().insecure()).isTrue();
        assertThat(config.listeners().reflection()).isTrue();
        assertThat(config.listeners().maxConnections()).isEqualTo(12);
        assertThat(config.listeners().readyFile()).hasValue(Path.of("r"));
        assertThat(config.storage().memoryBudgetBytes()).isEqualTo(3L << 30);
        assertThat(config.storage().durability()).isEqualTo(Durability.OS);
        assertThat(config.storage().compaction())
                .isEqualTo(new CompactionOptions(0.5, Duration.ofSeconds(60), 1L << 20));
        assertThat(config.tracing()).hasValue(new ServerConfig.Tracing(URI.create("http://collector:4318"), 0.25));
        assertThat(config.threadCount()).isEqualTo(4);
        assertThat(config.engine())
                .isEqualTo(new EngineOptions(EngineKind.ND4J_CUDA, OptionalLong.of(2L << 30), List.of()));
        assertThat(config.rpcLimits())
                .isEqualTo(new RpcLimits(5 << 20, 6 << 20, 7 << 20, 8, new Quota(13, 14 << 20, 15, 16L << 40)));
        assertThat(config.queryLimits()).isEqualTo(new QueryLimits(9, 10L << 30, 11L << 20));
        assertThat(config.drainTimeout()).isEqualTo(Duration.ofMillis(1500));
    }

    @Test
    void config_fromThreeSources_flagBeatsEnvironmentBeatsFile() throws IOException {
        Path file = Files.writeString(folder.resolve("datainf.yaml"), "threads: 1\nquery-queue: 2\ndata-dir: file\n");
        Map<String, String> environment = Map.of("DATAINF_QUERY_QUEUE", "3", "DATAINF_DATA_DIR", "environment");

        ServerConfig config = parse(environment, "--config", file.toString(), "--data-dir", "flag");

        assertThat(config.threadCount()).isEqualTo(1);
        assertThat(config.queryLimits().queueCapacity()).isEqualTo(3);
        assertThat(config.storage().dataDirectory()).isEqualTo(Path.of("flag"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0660", "660", "0o660", "'0660'"})
    void config_fileModeInAFile_isOctal(String mode) throws IOException {
        Path file = Files.writeString(folder.resolve("datainf.yaml"), "unix-socket-mode: %s\n".formatted(mode));

        ServerConfig config = parse(Map.of(), "--config", file.toString());

        assertThat(config.listeners().unixSocketMode()).isEqualTo(PosixFilePermissions.fromString("rw-rw----"));
    }

    @Test
    void config_fileWithUnknownKey_namesItAndTheKnownOnes() throws IOException {
        Path file = Files.writeString(folder.resolve("datainf.yaml"), "data_dir: x\n");

        assertThatThrownBy(() -> parse(Map.of("DATAINF_CONFIG", file.toString())))
                .isInstanceOf(ParameterException.class)
                .hasMessageContainingAll(file.toString(), "unknown key 'data_dir'", "data-dir", "unix-socket");
    }

    @Test
    void config_fileMissing_namesIt() {
        assertThatThrownBy(() -> parse(Map.of(), "--config=" + folder.resolve("none.yaml")))
                .isInstanceOf(ParameterException.class)
                .hasMessageContaining("none.yaml");
    }

    @ParameterizedTest
    @CsvSource({
        "--listen=0.0.0.0:1, listen is 0.0.0.0",
        "--http=0.0.0.0:1, http is 0.0.0.0",
        "--listen=nowhere, 'nowhere' is not an address",
        "--listen=127.0.0.1:70000, is not an address",
        "--memory-budget=much, 'much' is not a size",
        "--memory-budget=0, memory-budget is 0 bytes",
        "--threads=0, threads is 0",
        "--unix-socket-mode=0680, '0680' is not a file mode",
        "--unix-socket-mode=rw-, 'rw-' is not a file mode",
        "--unix-socket-mode=01777, '01777' is not a file mode",
        "--engine=gpu, 'gpu' is not an engine",
        "--durability=ram, 'ram' is not a durability: expected fsync",
        "--drain-timeout=-1, drain-timeout is",
        "--query-queue=0, 0",
        "--log-format=xml, 'xml' is not a log format: expected text or json",
        "--otlp-endpoint=collector:4317, otlp-endpoint is 'collector:4317'",
        "--no-such-option, no-such-option",
    })
    void config_badOption_saysWhatIsWrong(String option, String message) {
        assertThatThrownBy(() -> parse(Map.of(), option))
                .isInstanceOf(ParameterException.class)
                .hasMessageContaining(message);
    }

    @Test
    void run_engineOfAnotherBuild_endsWithOneSentence() {
        assumeThat(CUDA_BUILD).as("built with the profile cuda").isFalse();
        PrintStream before = System.err;
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        int exitCode;
        System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
        try {
            exitCode = Main.run(
                    new String[] {
                        "serve",
                        "--engine=nd4j-cuda",
                        "--data-dir=" + folder.resolve("data"),
                        "--listen=127.0.0.1:0",
                        "--http=127.0.0.1:0"
                    },
                    Map.of());
        } finally {
            System.setErr(before);
        }

        assertThat(exitCode).isEqualTo(1);
        assertThat(errors.toString(StandardCharsets.UTF_8))
                .isEqualToNormalizingNewlines(
                        "datainf-server: engine nd4j-cuda needs a build with the profile cuda (mvn -Pcuda): this one has no CUDA backend\n");
        assertThat(folder.resolve("data")).doesNotExist();
    }

    private static ServerConfig parse(Map<String, String> environment, String... arguments) {
        CommandLine main = Main.commandLine();
        CommandLine serve = Objects.requireNonNull(main.getSubcommands().get("serve"));
        serve.setDefaultValueProvider(ConfigFile.of(serve, arguments, environment));
        main.parseArgs(Stream.concat(Stream.of("serve"), Stream.of(arguments)).toArray(String[]::new));
        return serve.<ServeCommand>getCommand().config();
    }
}
