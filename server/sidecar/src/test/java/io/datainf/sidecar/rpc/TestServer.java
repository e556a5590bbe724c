package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.ExportServiceGrpc;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QueryLimits;
import io.datainf.sidecar.tracing.Tracing;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The services on a loopback port, over the real engine. Closing it checks that nothing is held any more. */
final class TestServer implements AutoCloseable {

    static final QueryLimits QUERY_LIMITS = new QueryLimits(64, 1L << 28, 1 << 20);
    static final long MEMORY_BUDGET_BYTES = 1L << 30;
    private static final int KERNEL_THREADS = 2;
    private static final long PATIENCE_SECONDS = 20;

    final RecordingEvents events = new RecordingEvents();
    final RunRegistry runs;
    final QueryExecutor queries;
    final GrpcFrontend frontend;
    final ManagedChannel channel;
    private final InfluenceCalculator calculator;
    private final Server server;

    TestServer(Path dataDirectory) throws IOException {
        this(dataDirectory, RpcLimits.DEFAULT, QUERY_LIMITS, MEMORY_BUDGET_BYTES);
    }

    TestServer(Path dataDirectory, RpcLimits limits) throws IOException {
        this(dataDirectory, limits, QUERY_LIMITS, MEMORY_BUDGET_BYTES);
    }

    TestServer(Path dataDirectory, QueryLimits queryLimits) throws IOException {
        this(dataDirectory, RpcLimits.DEFAULT, queryLimits, MEMORY_BUDGET_BYTES);
    }

    TestServer(Path dataDirectory, RpcLimits limits, QueryLimits queryLimits, long memoryBudgetBytes)
            throws IOException {
        this(dataDirectory, limits, queryLimits, memoryBudgetBytes, StoreOptions.DEFAULT);
    }

    TestServer(
            Path dataDirectory,
            RpcLimits limits,
            QueryLimits queryLimits,
            long memoryBudgetBytes,
            StoreOptions storeOptions)
            throws IOException {
        runs = RunRegistry.open(dataDirectory, memoryBudgetBytes, StoreEvents.NONE, storeOptions);
        calculator = InfluenceCalculator.create(KERNEL_THREADS);
        queries = new QueryExecutor(calculator, queryLimits, events);
        frontend = new GrpcFrontend("1.2.3", limits, runs, queries, events, SharedMemory.none(), Optional.empty());
        NettyServerBuilder builder =
                NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        frontend.configure(builder, true, Tracing.OFF);
        server = builder.build().start();
        channel = newChannel();
    }

    /** Another connection; the caller shuts it down. */
    ManagedChannel newChannel() {
        return NettyChannelBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getPort()))
                .usePlaintext()
                .build();
    }

    /** Creates a run of blocks "b0", "b1", ... of one row and these widths. */
    Run createRun(String id, int... widths) throws IOException {
        return createRun(id, ElementType.F32, layout(widths));
    }

    Run createRun(String id, ElementType storedType, BlockLayout layout) throws IOException {
        return runs.create(new RunDefinition(new RunId(id), layout, storedType, 0.1, "", Map.of()));
    }

    static BlockLayout layout(int... widths) {
        Block[] blocks = new Block[widths.length];
        for (int l = 0; l < widths.length; l++) {
            blocks[l] = new Block("b" + l, 1, widths[l]);
        }
        return BlockLayout.of(List.of(blocks));
    }

    RunServiceGrpc.RunServiceBlockingV2Stub runService() {
        return RunServiceGrpc.newBlockingV2Stub(channel);
    }

    InfluenceServiceGrpc.InfluenceServiceBlockingV2Stub influenceService() {
        return influenceService(channel);
    }

    InfluenceServiceGrpc.InfluenceServiceBlockingV2Stub influenceService(ManagedChannel over) {
        return InfluenceServiceGrpc.newBlockingV2Stub(over);
    }

    AnalysisServiceGrpc.AnalysisServiceBlockingV2Stub analysisService() {
        return AnalysisServiceGrpc.newBlockingV2Stub(channel);
    }

    ExportServiceGrpc.ExportServiceBlockingV2Stub exportService(ManagedChannel over) {
        return ExportServiceGrpc.newBlockingV2Stub(over);
    }

    IngestServiceGrpc.IngestServiceBlockingV2Stub ingestService() {
        return IngestServiceGrpc.newBlockingV2Stub(channel);
    }

    /** Another server on the same data directory may follow. */
    @Override
    public void close() {
        try {
            channel.shutdownNow().awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
            Await.until("batches to be let go", () -> frontend.inFlightBytes() == 0);
            Await.until("queries to be let go", () -> queries.memory().usedBytes() == 0);
            Await.until("streams to end", () -> events.openStreams.get() == 0);
            server.shutdownNow().awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        queries.close();
        frontend.close();
        calculator.close();
        runs.close();
    }
}
