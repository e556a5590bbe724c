package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.CapabilitiesServiceGrpc;
import io.datainf.proto.v1.ExportServiceGrpc;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.ingest.InFlightBudget;
import io.datainf.sidecar.ingest.IngestContext;
import io.datainf.sidecar.ingest.IngestEvents;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.security.TokenFile;
import io.datainf.sidecar.tracing.Tracing;
import io.grpc.BindableService;
import io.grpc.ServerInterceptor;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * All services of the server, to be put on one or more gRPC servers. Stopping: {@link #beginDrain()}, {@link #awaitDrained},
 * stop the servers, {@link #close()}.
 */
public final class GrpcFrontend implements AutoCloseable {

    private static final int MIN_THREADS = 4;
    private static final int MAX_METADATA_BYTES = 16 << 10;
    private static final int FLOW_CONTROL_WINDOW_BYTES = 1 << 20;
    // A request is the name of a service.
    private static final int HEALTH_MESSAGE_BYTES = 1 << 10;
    private static final int HEALTH_WINDOW_BYTES = 64 << 10;
    private static final int HEALTH_CALLS = 8;
    private static final List<String> SERVICES = List.of(
            HealthStatusManager.SERVICE_NAME_ALL_SERVICES,
            RunServiceGrpc.SERVICE_NAME,
            IngestServiceGrpc.SERVICE_NAME,
            InfluenceServiceGrpc.SERVICE_NAME,
            AnalysisServiceGrpc.SERVICE_NAME,
            ExportServiceGrpc.SERVICE_NAME,
            CapabilitiesServiceGrpc.SERVICE_NAME);

    private final RpcLimits limits;
    private final AccessControl access;
    private final ClientLimits clients;
    private final DrainGate gate = new DrainGate();
    private final InFlightBudget budget;
    private final HealthStatusManager health = new HealthStatusManager();
    private final ThreadPoolExecutor callbacks = callbackPool();
    private final IngestGrpcService ingest; // tells what it cannot read itself
    private final List<BindableService> services;

    /**
     * Creates the services.
     *
     * @param serverVersion what GetCapabilities says
     * @param runs where samples go; stays the caller's
     * @param queries computes; stays the caller's
     * @param sharedMemory for writers on this host
     * @param tokens one of which each call over TCP needs; empty: nobody needs one
     */
    public GrpcFrontend(
            String serverVersion,
            RpcLimits limits,
            RunRegistry runs,
            QueryExecutor queries,
            IngestEvents ingestEvents,
            SharedMemory sharedMemory,
            Optional<TokenFile> tokens) {
        this.limits = limits;
        this.access = new AccessControl(tokens, limits.client());
        this.budget = new InFlightBudget(limits.maxInFlightBytes());
        this.clients = new ClientLimits(budget);
        StorageQuota quota = new StorageQuota(runs);
        IngestContext context =
                new IngestContext(budget, limits.maxMessageBytes(), limits.maxUnackedBytes(), ingestEvents, callbacks);
        SourceDecoder sources = new SourceDecoder(queries, limits);
        long solverMemoryBytes = queries.limits().solverMemoryBytes();
        QueryDecoder queryDecoder = new QueryDecoder(runs, sources, solverMemoryBytes);
        AnalysisDecoder analysisDecoder = new AnalysisDecoder(runs, sources, solverMemoryBytes);
        this.ingest = new IngestGrpcService(runs, context, limits, gate, sharedMemory, quota);
        this.services = List.of(
                new RunGrpcService(runs, quota),
                new InfluenceGrpcService(queries, queryDecoder, limits, gate, callbacks),
                new AnalysisGrpcService(runs, queries.analyses(), analysisDecoder, limits, gate, callbacks),
                new ExportGrpcService(runs, gate, callbacks),
                new CapabilitiesGrpcService(serverVersion, queries.engineName(), limits),
                health.getHealthService());
        SERVICES.forEach(name -> health.setStatus(name, ServingStatus.SERVING));
    }

    /**
     * Puts the services on a server that is being built, with the limits and the threads that bound its memory: a message
     * other than a writer's lies on the Java heap only while one of the threads decodes it, and before that, a stream has at
     * most one message and one window in direct memory. Without a window of its own, Netty would let each stream grow it to 8 MiB.
     *
     * @param reflection whether the server describes its services to those who ask
     * @param tracing where calls are traced
     * @param observers see each call with its {@link CallContext}
     */
    public void configure(
            NettyServerBuilder builder, boolean reflection, Tracing tracing, ServerInterceptor... observers) {
        services.forEach(service -> builder.addService(UnreadableMessages.explained(service.bindService())));
        builder.addService(ingest);
        if (reflection) {
            builder.addService(ProtoReflectionServiceV1.newInstance());
        }
        // What is added later is called before: access asks where a call comes from, observers see who is denied it.
        builder.intercept(clients);
        builder.intercept(access);
        List.of(observers).forEach(builder::intercept);
        ClientConnection.tellApart(builder);
        builder.intercept(CallContext.interceptor(tracing));
        builder.maxInboundMessageSize(limits.transportMessageBytes())
                .maxInboundMetadataSize(MAX_METADATA_BYTES)
                .flowControlWindow(FLOW_CONTROL_WINDOW_BYTES)
                .executor(callbacks);
    }

    /** Puts health alone on a server that is being built, which everybody may ask. */
    public void configureHealth(NettyServerBuilder builder) {
        builder.addService(health.getHealthService())
                .maxInboundMessageSize(HEALTH_MESSAGE_BYTES)
                .flowControlWindow(HEALTH_WINDOW_BYTES)
                .maxConcurrentCallsPerConnection(HEALTH_CALLS)
                .executor(callbacks);
    }

    /** Bytes of batches in memory that are not durable yet, over all writers. */
    public long inFlightBytes() {
        return budget.usedBytes();
    }

    /**
     * Begins to stop: health turns NOT_SERVING, new streams and queries are refused, writers' streams end with UNAVAILABLE once
     * what came whole is acked, queries that are in finish. Returns at once; may be repeated.
     */
    public void beginDrain() {
        health.enterTerminalState();
        gate.beginDrain();
    }

    /** Waits until no stream and no query is left. Returns whether that came true in time. */
    public boolean awaitDrained(Duration timeout) throws InterruptedException {
        return gate.awaitEmpty(timeout);
    }

    /** Lets the threads go. After the servers have stopped. */
    @Override
    public void close() {
        callbacks.shutdown();
    }

    private static ThreadPoolExecutor callbackPool() {
        int threads = Math.max(MIN_THREADS, 2 * Runtime.getRuntime().availableProcessors());
        AtomicInteger number = new AtomicInteger();
        // The queue is bounded by the calls in progress: gRPC and the sessions have at most a few tasks each in it.
        return new ThreadPoolExecutor(
                threads,
                threads,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                task -> Thread.ofPlatform()
                        .name("datainf-rpc-" + number.incrementAndGet())
                        .daemon()
                        .unstarted(task),
                // After close() a late receipt has nobody to tell.
                new ThreadPoolExecutor.DiscardPolicy());
    }
}
