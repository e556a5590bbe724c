package io.datainf.sidecar.metrics;

import com.sun.management.OperatingSystemMXBean;
import io.datainf.engine.kernel.DeviceFigures;
import io.datainf.engine.run.GradientHealth;
import io.datainf.engine.run.StorageFigures;
import io.datainf.engine.store.StoreEvents;
import io.datainf.sidecar.ingest.IngestEvents;
import io.datainf.sidecar.query.QueryEvents;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.jvm.ClassLoaderMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.DiskSpaceMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** All meters of one server. Safe for any number of threads. */
public final class ServerMetrics implements AutoCloseable {

    private static final double NANOS_PER_SECOND = 1e9;
    private static final OperatingSystemMXBean SYSTEM =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final IngestMetrics ingest;
    private final StoreMetrics store;
    private final QueryMetrics query;
    private final JvmGcMetrics gc = new JvmGcMetrics();
    private final Activity activity;

    /** Creates the meters of a server of this version. */
    public ServerMetrics(String version) {
        registry.config().meterFilter(new PromtoolNames());
        ingest = new IngestMetrics(registry);
        store = new StoreMetrics(registry);
        query = new QueryMetrics(registry);
        Gauge.builder(MeterNames.BUILD_INFO, () -> 1)
                .description("Always 1; the tag says what runs")
                .tag("version", version)
                .register(registry);
        new ClassLoaderMetrics().bindTo(registry);
        new JvmMemoryMetrics().bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
        FunctionCounter.builder(MeterNames.PROCESS_CPU, SYSTEM, system -> system.getProcessCpuTime() / NANOS_PER_SECOND)
                .description("Processor time used by the process")
                .baseUnit("seconds")
                .register(registry);
        new FileDescriptorMetrics().bindTo(registry);
        gc.bindTo(registry);
        activity = new Activity(registry, System::nanoTime).start();
    }

    /** The registry, for binders that live outside this package. */
    public MeterRegistry registry() {
        return registry;
    }

    /** Takes what writers do. */
    public IngestEvents ingest() {
        return ingest;
    }

    /** Takes what the store does. */
    public StoreEvents store() {
        return store;
    }

    /** Takes what queries do. */
    public QueryEvents query() {
        return query;
    }

    /** What has happened lately. */
    public Activity activity() {
        return activity;
    }

    /** Shows what is held; {@code figures} is asked at each scrape. */
    public void watchStorage(Supplier<StorageFigures> figures) {
        gauge(MeterNames.RUNS, "Runs in the data directory", null, figures, StorageFigures::runCount);
        gauge(
                MeterNames.RUNS_OPEN,
                "Runs that were asked for since the start, and so opened",
                null,
                figures,
                StorageFigures::openRunCount);
        gauge(MeterNames.SAMPLES_HELD, "Live samples over all open runs", null, figures, StorageFigures::rowCount);
        gauge(
                MeterNames.SAMPLES_RESIDENT,
                "Live samples in memory; the others are read from the files",
                null,
                figures,
                StorageFigures::residentCount);
        gauge(
                MeterNames.SAMPLES_DAMAGED,
                "Samples of open runs that were acknowledged and cannot be read any more",
                null,
                figures,
                StorageFigures::damagedCount);
        gauge(
                MeterNames.STORE_WRITABLE,
                "1 if the last write to the data directory was durable, 0 if it failed",
                null,
                figures,
                now -> now.writable() ? 1 : 0);
        gauge(MeterNames.ROW_MEMORY, "Memory taken by rows", "bytes", figures, StorageFigures::memoryBytes);
        gauge(
                MeterNames.ROW_MEMORY_BUDGET,
                "Most memory that rows may take",
                "bytes",
                figures,
                StorageFigures::memoryBudgetBytes);
        gauge(
                MeterNames.ROW_MEMORY_SPARE,
                "Memory that rows have let go, kept for others for ten minutes",
                "bytes",
                figures,
                StorageFigures::spareMemoryBytes);
    }

    /** Shows what computes, so that its series exist from the start. */
    public void showEngine(String engineName) {
        Gauge.builder(MeterNames.ENGINE_INFO, () -> 1)
                .description("Always 1; the tag says what computes")
                .tag(MeterNames.TAG_ENGINE, engineName)
                .register(registry);
        query.expectEngine(engineName);
    }

    /** Shows connections that are open and those that were refused since the start; both are asked at each scrape. */
    public void watchConnections(IntSupplier open, LongSupplier refused) {
        Gauge.builder(MeterNames.CONNECTIONS, open::getAsInt)
                .description("gRPC connections that are open")
                .register(registry);
        FunctionCounter.builder(MeterNames.CONNECTIONS_REFUSED, refused, LongSupplier::getAsLong)
                .description("gRPC connections closed at once, because as many were open as may be")
                .register(registry);
    }

    /** Shows what is worst in the gradients of open runs; {@code health} is asked at each scrape. */
    public void watchGradients(Supplier<GradientHealth> health) {
        gauge(
                MeterNames.ZERO_SAMPLES,
                "Share of samples whose gradient is zero in every block, in the open run of 100 samples or more where it is greatest",
                null,
                health,
                GradientHealth::zeroSampleShare);
        gauge(
                MeterNames.SKIPPED_BLOCKS,
                "Blocks that are zero in all samples, in the open run that has most of them",
                null,
                health,
                GradientHealth::skippedBlockCount);
        gauge(
                MeterNames.LAMBDA_LEAST,
                "Smallest damping lambda of a block over all open runs; NaN without samples",
                null,
                health,
                GradientHealth::leastLambda);
        gauge(
                MeterNames.LAMBDA_GREATEST,
                "Greatest damping lambda of a block over all open runs; NaN without samples",
                null,
                health,
                GradientHealth::greatestLambda);
    }

    /** Shows the disk that holds this directory. */
    public void watchDisk(Path directory) {
        new DiskSpaceMetrics(directory.toFile()).bindTo(registry);
    }

    /** Shows how busy the threads are that compute; {@code busyNanos} of all of them is asked at each scrape. */
    public void watchKernels(int threadCount, LongSupplier busyNanos) {
        Gauge.builder(MeterNames.KERNEL_THREADS, () -> threadCount)
                .description("Threads that run kernels")
                .register(registry);
        FunctionCounter.builder(MeterNames.KERNEL_BUSY, busyNanos, nanos -> nanos.getAsLong() / NANOS_PER_SECOND)
                .description("Time that kernel threads have computed, over all of them")
                .baseUnit("seconds")
                .register(registry);
    }

    /** Shows what a GPU does and holds; {@code figures} is asked at each scrape. */
    public void watchDevice(Supplier<DeviceFigures> figures) {
        new DeviceMetrics(figures).bindTo(registry);
    }

    /** Shows whether the kernels are compiled; {@code warm} is asked at each scrape. */
    public void watchWarmUp(BooleanSupplier warm) {
        Gauge.builder(MeterNames.KERNELS_WARM, () -> warm.getAsBoolean() ? 1 : 0)
                .description("1 once the kernels are compiled, some seconds after the start; queries are slower before")
                .register(registry);
    }

    /** Shows how many queries wait, of how many that may; {@code depth} is asked at each scrape. */
    public void watchQueryQueue(IntSupplier depth, int limit) {
        Gauge.builder(MeterNames.QUERY_QUEUE_DEPTH, depth::getAsInt)
                .description("Queries that wait for their turn")
                .register(registry);
        Gauge.builder(MeterNames.QUERY_QUEUE_LIMIT, () -> limit)
                .description("Most queries that may wait")
                .register(registry);
    }

    /** Shows the memory that writers share with the server; {@code usedBytes} is asked at each scrape. */
    public void watchSharedMemory(LongSupplier usedBytes) {
        Gauge.builder(MeterNames.INGEST_SHARED_MEMORY, usedBytes::getAsLong)
                .description("Memory through which writers on this host hand gradients over")
                .baseUnit("bytes")
                .register(registry);
    }

    /** Returns all meters in the text format of Prometheus that an Accept header asks for. */
    public String scrape(String contentType) {
        return registry.scrape(contentType);
    }

    @Override
    public void close() {
        activity.close();
        gc.close();
        registry.close();
    }

    private <T> void gauge(
            String name, String description, @Nullable String unit, Supplier<T> figures, ToDoubleFunction<T> value) {
        Gauge.builder(name, () -> value.applyAsDouble(figures.get()))
                .description(description)
                .baseUnit(unit)
                .register(registry);
    }
}
