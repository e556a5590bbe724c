package io.datainf.sidecar.server;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreOptions;
import io.datainf.sidecar.admin.AdminServer;
import io.datainf.sidecar.admin.RecentErrors;
import io.datainf.sidecar.admin.StatusPage;
import io.datainf.sidecar.admin.StatusSources;
import io.datainf.sidecar.metrics.ServerMetrics;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.rpc.GrpcFrontend;
import io.datainf.sidecar.rpc.SharedMemory;
import io.datainf.sidecar.tracing.OtlpTracing;
import io.datainf.sidecar.tracing.Tracing;
import io.micrometer.core.instrument.binder.grpc.MetricCollectingServerInterceptor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One running server: the parts wired together, started in order and stopped in reverse. */
final class Sidecar implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Sidecar.class);

    private final Deque<AutoCloseable> parts;
    private final ServerConfig config;
    private final Readiness readiness;
    private final GrpcFrontend frontend;
    private final GrpcListeners listeners;
    private final AdminServer admin;

    private Sidecar(
            Deque<AutoCloseable> parts,
            ServerConfig config,
            Readiness readiness,
            GrpcFrontend frontend,
            GrpcListeners listeners,
            AdminServer admin) {
        this.parts = parts;
        this.config = config;
        this.readiness = readiness;
        this.frontend = frontend;
        this.listeners = listeners;
        this.admin = admin;
    }

    /**
     * Starts a server; when this returns, it serves.
     *
     * @throws IOException if the data directory cannot be opened or an address not be bound
     * @throws io.datainf.engine.kernel.EngineUnavailableException if the engine cannot run here
     */
    static Sidecar start(ServerConfig config) throws IOException {
        Deque<AutoCloseable> parts = new ArrayDeque<>();
        try {
            return start(config, parts);
        } catch (IOException | RuntimeException | Error e) {
            closeAll(parts);
            throw e;
        }
    }

    /** The address of gRPC over TCP. */
    InetSocketAddress grpcAddress() {
        return listeners.address();
    }

    /** gRPC connections that are open. */
    int connectionCount() {
        return listeners.connections().openCount();
    }

    /** The address of health alone; empty: there is none. */
    Optional<InetSocketAddress> healthAddress() {
        return listeners.healthAddress();
    }

    /** The address for operators. */
    InetSocketAddress httpAddress() {
        return admin.address();
    }

    /**
     * Stops: tells writers to come back later once their batches are acked, lets queries finish within the drain timeout,
     * then closes everything.
     */
    @Override
    public void close() {
        LOG.info(
                "stopping: waiting up to {} s for streams and queries",
                config.drainTimeout().toSeconds());
        readiness.stop();
        frontend.beginDrain();
        listeners.shutdown();
        try {
            if (!frontend.awaitDrained(config.drainTimeout())) {
                LOG.warn(
                        "streams or queries were still open after {} s: cutting them off",
                        config.drainTimeout().toSeconds());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        closeAll(parts);
        LOG.info("stopped");
    }

    private static Sidecar start(ServerConfig config, Deque<AutoCloseable> parts) throws IOException {
        String version = Main.Version.version();
        Readiness readiness = new Readiness();
        // First, because it may be what is missing; reading runs can take long.
        InfluenceCalculator calculator =
                opened(parts, InfluenceCalculator.create(config.threadCount(), config.engine()));
        ServerMetrics metrics = opened(parts, new ServerMetrics(version));
        ServerSecurity security = opened(
                parts,
                ServerSecurity.open(
                        config.listeners().security(), config.rpcLimits().client()));
        RecentErrors errors = new RecentErrors();
        opened(parts, LogReports.start(errors));
        StatusPage status = new StatusPage(errors);
        AdminServer admin = opened(
                parts,
                AdminServer.start(
                        config.listeners().http(), metrics::scrape, readiness::whyNot, status, security.forHttp()));
        RunRegistry runs = opened(parts, openRuns(config.storage(), metrics));
        metrics.watchStorage(runs::figures);
        metrics.watchGradients(runs::gradientHealth);
        metrics.watchDisk(config.storage().dataDirectory());
        metrics.showEngine(calculator.engineName());
        metrics.watchKernels(calculator.threadCount(), calculator::busyNanos);
        if (calculator.deviceFigures().isPresent()) {
            metrics.watchDevice(() -> calculator.deviceFigures().orElseThrow());
        }
        QueryExecutor queries = opened(parts, new QueryExecutor(calculator, config.queryLimits(), metrics.query()));
        metrics.watchQueryQueue(queries::queueDepth, queries.queueLimit());
        SharedMemory sharedMemory = shareMemory(config);
        metrics.watchSharedMemory(sharedMemory::usedBytes);
        GrpcFrontend frontend = opened(
                parts,
                new GrpcFrontend(
                        version, config.rpcLimits(), runs, queries, metrics.ingest(), sharedMemory, security.tokens()));
        Tracing tracing = opened(parts, trace(config.tracing(), version));
        GrpcListeners listeners = opened(
                parts,
                GrpcListeners.start(
                        config.listeners(),
                        frontend,
                        new GrpcListeners.Observation(
                                new MetricCollectingServerInterceptor(metrics.registry()),
                                tracing,
                                new CallReports(errors)),
                        security.forGrpc()));
        metrics.watchConnections(listeners.connections()::openCount, listeners.connections()::refusedCount);
        metrics.watchWarmUp(opened(parts, KernelWarmUp.start(calculator))::isDone);
        Sidecar sidecar = new Sidecar(parts, config, readiness, frontend, listeners, admin);
        status.show(new StatusSources(
                sidecar.describe(version, calculator.engineName()),
                runs,
                metrics.activity()::figures,
                frontend::inFlightBytes,
                queries::queueDepth));
        sidecar.announce(version, calculator.engineName(), runs);
        return sidecar;
    }

    private static RunRegistry openRuns(ServerConfig.Storage storage, ServerMetrics metrics) throws IOException {
        return RunRegistry.open(
                storage.dataDirectory(),
                storage.memoryBudgetBytes(),
                metrics.store(),
                StoreOptions.DEFAULT.with(storage.durability(), storage.compaction()));
    }

    private static Tracing trace(Optional<ServerConfig.Tracing> config, String version) {
        return config.<Tracing>map(to -> OtlpTracing.start(to.endpoint(), to.sampling(), version))
                .orElse(Tracing.OFF);
    }

    private StatusSources.Server describe(String version, String engine) {
        List<String> addresses = new ArrayList<>();
        addresses.add("gRPC " + ReadyFile.text(grpcAddress()));
        config.listeners().unixSocket().ifPresent(path -> addresses.add("unix:" + path));
        addresses.add("HTTP " + ReadyFile.text(httpAddress()));
        return new StatusSources.Server(
                version,
                "%s, %d threads".formatted(engine, config.threadCount()),
                addresses,
                config.storage().dataDirectory().toAbsolutePath(),
                Instant.now());
    }

    private static SharedMemory shareMemory(ServerConfig config) {
        SharedMemory.Options options = config.listeners().sharedMemory();
        if (config.listeners().unixSocket().isEmpty() || options.limitBytes() == 0) {
            return SharedMemory.none();
        }
        try {
            return SharedMemory.open(options, config.storage().dataDirectory());
        } catch (IOException e) {
            LOG.warn("writers share no memory, but send through the Unix socket: {}", e.getMessage());
            return SharedMemory.none();
        }
    }

    private void announce(String version, String engine, RunRegistry runs) throws IOException {
        if (config.storage().durability() == Durability.NONE) {
            LOG.warn("durability none: samples are in memory only, and gone when the server ends");
        }
        readiness.serve(runs::writeTrouble);
        ServerConfig.Listeners addresses = config.listeners();
        LOG.info(
                "datainf-server {} serves {} runs of {}: gRPC on {}{}, {}://{}; engine {}, {} threads,"
                        + " rows in {}, {} MiB for them",
                version,
                runs.figures().runCount(),
                config.storage().dataDirectory().toAbsolutePath(),
                ReadyFile.text(grpcAddress()),
                addresses.unixSocket().map(path -> " and unix:" + path).orElse(""),
                addresses.security().tls().isPresent() ? "https" : "http",
                ReadyFile.text(httpAddress()),
                engine,
                config.threadCount(),
                storableTypes(),
                config.storage().memoryBudgetBytes() >> 20);
        if (addresses.readyFile().isPresent()) {
            ReadyFile.write(addresses.readyFile().get(), grpcAddress(), addresses.unixSocket(), httpAddress());
            parts.push(() -> Files.deleteIfExists(addresses.readyFile().get()));
        }
    }

    /** What runs may store their rows in; each says which. */
    private static String storableTypes() {
        return Arrays.stream(ElementType.values())
                .filter(ElementType::storable)
                .map(type -> type.name().toLowerCase(Locale.ROOT))
                .collect(Collectors.joining(" or "));
    }

    private static <T extends AutoCloseable> T opened(Deque<AutoCloseable> parts, T part) {
        parts.push(part);
        return part;
    }

    private static void closeAll(Deque<AutoCloseable> parts) {
        while (!parts.isEmpty()) {
            AutoCloseable part = parts.pop();
            try {
                part.close();
            } catch (Exception e) { // the others want to be closed all the same
                LOG.warn("closing {} failed", part, e);
            }
        }
    }
}
