package io.datainf.sidecar.metrics;

import io.datainf.engine.kernel.DeviceFigures;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Shows what a GPU does and holds. */
final class DeviceMetrics implements MeterBinder {

    private static final double NANOS_PER_SECOND = 1e9;

    private final Supplier<DeviceFigures> figures;

    /** Creates meters; {@code figures} is asked at each scrape. */
    DeviceMetrics(Supplier<DeviceFigures> figures) {
        this.figures = figures;
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        gauge(
                registry,
                MeterNames.DEVICE_WORKING,
                "1 while the GPU computes; 0 once it has failed and the CPU computes until the server is started again",
                null,
                now -> now.working() ? 1 : 0);
        gauge(
                registry,
                MeterNames.DEVICE_MEMORY_USED,
                "Memory of the GPU that is taken, by whomever",
                "bytes",
                DeviceFigures::usedBytes);
        gauge(registry, MeterNames.DEVICE_MEMORY_SIZE, "Memory of the GPU", "bytes", DeviceFigures::totalBytes);
        gauge(
                registry,
                MeterNames.DEVICE_ROW_MEMORY,
                "Memory of the GPU that copies of gradients take",
                "bytes",
                DeviceFigures::rowBytes);
        counter(
                registry,
                MeterNames.DEVICE_UPLOADED,
                "Gradients copied to the GPU",
                "bytes",
                DeviceFigures::uploadedBytes);
        counter(
                registry,
                MeterNames.DEVICE_TRANSFERRED,
                "Bytes that went to the GPU and back: gradients, columns and results",
                "bytes",
                DeviceFigures::transferredBytes);
        counter(
                registry,
                MeterNames.DEVICE_BUSY,
                "Time in which the GPU computed or copied",
                "seconds",
                now -> now.kernelNanos() / NANOS_PER_SECOND);
        counter(
                registry,
                MeterNames.DEVICE_FALLBACKS,
                "Pieces of work that the CPU did in place of the GPU",
                null,
                DeviceFigures::hostPieceCount);
        counter(registry, MeterNames.DEVICE_ERRORS, "Calls of the GPU that failed", null, DeviceFigures::errorCount);
    }

    private void gauge(
            MeterRegistry registry,
            String name,
            String description,
            @Nullable String unit,
            ToDoubleFunction<DeviceFigures> value) {
        Gauge.builder(name, () -> value.applyAsDouble(figures.get()))
                .description(description)
                .baseUnit(unit)
                .register(registry);
    }

    private void counter(
            MeterRegistry registry,
            String name,
            String description,
            @Nullable String unit,
            ToDoubleFunction<DeviceFigures> value) {
        FunctionCounter.builder(name, figures, asked -> value.applyAsDouble(asked.get()))
                .description(description)
                .baseUnit(unit)
                .register(registry);
    }
}
