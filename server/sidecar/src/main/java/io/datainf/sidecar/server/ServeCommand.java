package io.datainf.sidecar.server;

import com.sun.management.OperatingSystemMXBean;
import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.sidecar.query.QueryLimits;
import io.datainf.sidecar.rpc.RpcLimits;
import io.datainf.sidecar.rpc.SharedMemory;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.server.OptionTypes.ByteCount;
import io.datainf.sidecar.server.OptionTypes.FileMode;
import io.datainf.sidecar.server.OptionTypes.Seconds;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code datainf-server serve}: options, and the server that they describe. */
@Command(
        name = "serve",
        description = {
            "Runs the server until SIGTERM or SIGINT.",
            "",
            "Each option can also be given by the environment (--data-dir as DATAINF_DATA_DIR) or in a YAML file"
                    + " (data-dir: ...). A flag wins over the environment, the environment over the file.",
            ""
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields; those without a default are @Nullable
class ServeCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            defaultValue = "datainf-data",
            description =
                    "Where runs are stored. Created when missing; one server at a time. Default: ${DEFAULT-VALUE}")
    private Path dataDirectory;

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:50051",
            description = "gRPC over TCP; port 0 picks a free one. Default: ${DEFAULT-VALUE}")
    private InetSocketAddress listen;

    @Option(
            names = "--unix-socket",
            paramLabel = "PATH",
            description = "gRPC over a Unix socket as well: the fastest way on one host.")
    private @Nullable Path unixSocket;

    @Option(
            names = "--unix-socket-mode",
            paramLabel = "MODE",
            defaultValue = "0600",
            description =
                    "File mode of the Unix socket; who may write may connect. 0600: its owner, 0660: its group too."
                            + " Default: ${DEFAULT-VALUE}")
    private FileMode unixSocketMode;

    @Option(
            names = "--shared-memory",
            paramLabel = "SIZE",
            defaultValue = "512MiB",
            description =
                    "Most memory, over all writers, through which those that connect to the Unix socket hand gradients"
                            + " over instead of sending them, for as long as they are connected. 0: none. Default: ${DEFAULT-VALUE}")
    private ByteCount sharedMemory;

    @Option(
            names = "--shared-memory-dir",
            paramLabel = "DIR",
            defaultValue = "/dev/shm",
            description = "Folder on a tmpfs for that memory, which writers see under the same path."
                    + " Default: ${DEFAULT-VALUE}")
    private Path sharedMemoryDirectory;

    @Option(
            names = "--http",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:9464",
            description =
                    "Status page, /metrics, /healthz and /readyz; port 0 picks a free one. Default: ${DEFAULT-VALUE}")
    private InetSocketAddress http;

    @Option(
            names = "--health",
            paramLabel = "HOST:PORT",
            description =
                    "gRPC health, and nothing else, in plain text and for everybody, whatever the options below say:"
                            + " for probes of Kubernetes, which speak no TLS. Default: none.")
    private @Nullable InetSocketAddress health;

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description = "TLS on the TCP addresses: certificate chain, PEM. Files are looked at again every 20 s;"
                    + " new connections get the new one.")
    private @Nullable Path tlsCertificate;

    @Option(names = "--tls-key", paramLabel = "FILE", description = "Its private key, PEM (PKCS#8), unencrypted.")
    private @Nullable Path tlsKey;

    @Option(
            names = "--tls-client-ca",
            paramLabel = "FILE",
            description = "Clients on the TCP addresses need a certificate of one of these authorities, PEM.")
    private @Nullable Path tlsClientAuthorities;

    @Option(
            names = "--tokens",
            paramLabel = "FILE",
            description = "Calls on the TCP addresses need a bearer token of this file, see 'datainf-server token'."
                    + " Health and readiness need none, nor does the Unix socket, which its mode guards.")
    private @Nullable Path tokens;

    @Option(
            names = "--insecure",
            description = "Allow addresses that other hosts can reach without --tls-cert and --tokens or"
                    + " --tls-client-ca.")
    private boolean insecure;

    @Option(names = "--reflection", description = "Describe the gRPC services to those who ask, beyond loopback, too.")
    private boolean reflection;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "2000",
            description = "gRPC connections that may be open; more are closed at once. Default: ${DEFAULT-VALUE}")
    private int maxConnections;

    @Option(
            names = "--client-streams",
            paramLabel = "N",
            defaultValue = "1000",
            description =
                    "Calls that one client may have in progress; further ones are refused with RESOURCE_EXHAUSTED."
                            + " A client is a token, or a certificate's subject, or a host. A token's entry may say"
                            + " something else, of this and what follows. Default: ${DEFAULT-VALUE}")
    private int clientStreams;

    @Option(
            names = "--client-in-flight",
            paramLabel = "SIZE",
            description = "Gradient bytes that arrived from one client and are not durable yet; beyond, its streams"
                    + " wait. Default: what all have, --max-in-flight")
    private @Nullable ByteCount clientInFlight;

    @Option(
            names = "--client-runs",
            paramLabel = "N",
            defaultValue = "10000",
            description = "Runs that may exist under the names that one client may use. Default: ${DEFAULT-VALUE}")
    private int clientRuns;

    @Option(
            names = "--client-disk",
            paramLabel = "SIZE",
            description =
                    "Size on disk of those; beyond, samples are refused with RESOURCE_EXHAUSTED. Default: no limit")
    private @Nullable ByteCount clientDisk;

    @Option(
            names = "--ready-file",
            paramLabel = "FILE",
            description = "Gets {\"grpc\",\"unix\",\"http\",\"pid\"} as JSON once the server serves.")
    private @Nullable Path readyFile;

    @Option(
            names = "--memory-budget",
            paramLabel = "SIZE",
            description =
                    "Most memory for gradients, e.g. 8GiB; what is beyond is read from the files. Default: half of the machine's.")
    private @Nullable ByteCount memoryBudget;

    @Option(
            names = "--durability",
            paramLabel = "WHEN",
            defaultValue = "fsync",
            description = {
                "When a batch is acked. fsync: once the disk has it. os: once the operating system has it; what was acked"
                        + " survives the end of the server, but not a loss of power. none: at once; samples are in memory"
                        + " only, as far as --memory-budget goes, and gone when the server ends; for measurements and"
                        + " throw-away runs, in a data directory without runs. Default: ${DEFAULT-VALUE}"
            })
    private Durability durability;

    @Option(
            names = "--compaction-share",
            paramLabel = "SHARE",
            defaultValue = "0.3",
            description = "A full segment file is rewritten once this share of it is deleted or replaced samples."
                    + " Default: ${DEFAULT-VALUE}")
    private double compactionShare;

    @Option(
            names = "--compaction-deadline",
            paramLabel = "SECONDS",
            defaultValue = "3600",
            description = "Deleted and replaced samples leave the files within twice this time, whatever their share."
                    + " Default: ${DEFAULT-VALUE}")
    private Seconds compactionDeadline;

    @Option(
            names = "--compaction-rate",
            paramLabel = "SIZE",
            defaultValue = "64MiB",
            description = "Most bytes that compaction writes in a second. Default: ${DEFAULT-VALUE}")
    private ByteCount compactionRate;

    @Option(names = "--threads", paramLabel = "N", description = "Threads that compute. Default: one a processor.")
    private @Nullable Integer threads;

    @Option(
            names = "--engine",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = {
                "What computes. cublas: an NVIDIA GPU, with CUDA 12 or 13; nd4j-cuda: an older one, in a build with -Pcuda;"
                        + " vector: the CPU; nd4j: the CPU through ND4J; auto: the first of these that can."
                        + " Default: ${DEFAULT-VALUE}"
            })
    private EngineKind engine;

    @Option(
            names = "--device-memory",
            paramLabel = "SIZE",
            description = "Most memory of the GPU for gradients. Default: 70 %% of what is free at the start.")
    private @Nullable ByteCount deviceMemory;

    @Option(
            names = "--cuda-libs",
            paramLabel = "DIR",
            split = ":",
            description =
                    "Folders with CUDA's libraries for the engine cublas, such as site-packages/nvidia of a PyTorch."
                            + " Default: the Python environment, /usr/local/cuda and the system's.")
    private List<Path> cudaLibraries = List.of();

    @Option(
            names = "--max-message",
            paramLabel = "SIZE",
            defaultValue = "4MiB",
            description =
                    "Largest message from a client; larger samples travel in fragments. Default: ${DEFAULT-VALUE}")
    private ByteCount maxMessage;

    @Option(
            names = "--max-unacked",
            paramLabel = "SIZE",
            defaultValue = "16MiB",
            description = "Gradient bytes that one writer may have sent and not acked. Default: ${DEFAULT-VALUE}")
    private ByteCount maxUnacked;

    @Option(
            names = "--max-in-flight",
            paramLabel = "SIZE",
            defaultValue = "64MiB",
            description = "The same over all writers together. Default: ${DEFAULT-VALUE}")
    private ByteCount maxInFlight;

    @Option(
            names = "--max-query-elements",
            paramLabel = "N",
            defaultValue = "33554432",
            description = "Most elements of validation gradients in one query. Default: ${DEFAULT-VALUE}")
    private long maxQueryElements;

    @Option(
            names = "--query-queue",
            paramLabel = "N",
            defaultValue = "64",
            description =
                    "Queries that may wait, of short and of long methods each; more are refused with RESOURCE_EXHAUSTED."
                            + " Default: ${DEFAULT-VALUE}")
    private int queryQueue;

    @Option(
            names = "--query-memory",
            paramLabel = "SIZE",
            defaultValue = "1GiB",
            description =
                    "Gradients and scores of all queries together, outside --memory-budget. Default: ${DEFAULT-VALUE}")
    private ByteCount queryMemory;

    @Option(
            names = "--solver-memory",
            paramLabel = "SIZE",
            defaultValue = "1GiB",
            description = "Most that the solver of one EXACT computation may take. Default: ${DEFAULT-VALUE}")
    private ByteCount solverMemory;

    @Option(
            names = "--drain-timeout",
            paramLabel = "SECONDS",
            defaultValue = "20",
            description = "How long running work may take after SIGTERM. Default: ${DEFAULT-VALUE}")
    private Seconds drainTimeout;

    @Option(
            names = "--log-format",
            paramLabel = "FORMAT",
            defaultValue = "text",
            description = "text, or json: one object a line. Default: ${DEFAULT-VALUE}")
    private LogFormat logFormat;

    @Option(
            names = "--otlp-endpoint",
            paramLabel = "URL",
            description = "Send traces to the OpenTelemetry collector there, as OTLP over HTTP: http://localhost:4318.")
    private @Nullable URI otlpEndpoint;

    @Option(
            names = "--trace-sampling",
            paramLabel = "RATIO",
            defaultValue = "1",
            description =
                    "Share of the traces that begin in the server; where a client sends a traceparent, it has decided."
                            + " Default: ${DEFAULT-VALUE}")
    private double traceSampling;

    @SuppressWarnings("UnusedVariable") // ConfigFile reads it before the other options; here it is only declared
    @Option(names = ConfigFile.OPTION, paramLabel = "FILE", description = "YAML file with options.")
    private @Nullable Path config;

    /** The options themselves. */
    CommandSpec spec() {
        return spec;
    }

    /** Standard output. */
    PrintWriter out() {
        return spec.commandLine().getOut();
    }

    /** Returns what the options say. */
    final ServerConfig config() {
        try {
            return new ServerConfig(
                    new ServerConfig.Storage(
                            dataDirectory,
                            memoryBudget == null ? halfOfPhysicalMemory() : memoryBudget.bytes(),
                            durability,
                            new CompactionOptions(
                                    compactionShare, compactionDeadline.duration(), compactionRate.bytes())),
                    new ServerConfig.Listeners(
                            listen,
                            Optional.ofNullable(unixSocket),
                            unixSocketMode.permissions(),
                            new SharedMemory.Options(
                                    sharedMemoryDirectory, sharedMemory.bytes(), unixSocketMode.permissions()),
                            http,
                            maxConnections,
                            reflection,
                            Optional.ofNullable(health),
                            new ServerConfig.Security(tls(), Optional.ofNullable(tokens), insecure),
                            Optional.ofNullable(readyFile)),
                    threads == null ? Runtime.getRuntime().availableProcessors() : threads,
                    new EngineOptions(
                            engine,
                            deviceMemory == null ? OptionalLong.empty() : OptionalLong.of(deviceMemory.bytes()),
                            cudaLibraries),
                    new RpcLimits(
                            Math.toIntExact(maxMessage.bytes()),
                            maxUnacked.bytes(),
                            maxInFlight.bytes(),
                            maxQueryElements,
                            clientQuota()),
                    new QueryLimits(queryQueue, queryMemory.bytes(), solverMemory.bytes()),
                    drainTimeout.duration(),
                    otlpEndpoint == null
                            ? Optional.empty()
                            : Optional.of(new ServerConfig.Tracing(otlpEndpoint, traceSampling)));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new ParameterException(spec.commandLine(), String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public Integer call() throws Exception {
        logFormat.apply();
        Sidecar sidecar = Sidecar.start(config());
        // SIGTERM and SIGINT end the JVM with 143 and 130 after its hooks. A stop that was asked for and went well is
        // no
        // failure, so the hook ends the process itself, with 0.
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            sidecar.close();
                            Runtime.getRuntime().halt(0);
                        },
                        "datainf-stop"));
        new CountDownLatch(1).await(); // the signal ends the process
        return 0;
    }

    private Quota clientQuota() {
        return new Quota(
                clientStreams,
                clientInFlight == null ? Long.MAX_VALUE : clientInFlight.bytes(),
                clientRuns,
                clientDisk == null ? Long.MAX_VALUE : clientDisk.bytes());
    }

    private Optional<ServerConfig.TlsFiles> tls() {
        if (tlsCertificate == null && tlsKey == null && tlsClientAuthorities == null) {
            return Optional.empty();
        }
        if (tlsCertificate == null || tlsKey == null) {
            throw new IllegalArgumentException("%s is missing: TLS needs tls-cert and tls-key"
                    .formatted(tlsCertificate == null ? "tls-cert" : "tls-key"));
        }
        return Optional.of(
                new ServerConfig.TlsFiles(tlsCertificate, tlsKey, Optional.ofNullable(tlsClientAuthorities)));
    }

    private static long halfOfPhysicalMemory() {
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return system.getTotalMemorySize() / 2;
    }
}
