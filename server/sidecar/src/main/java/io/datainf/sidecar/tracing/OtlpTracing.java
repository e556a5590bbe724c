package io.datainf.sidecar.tracing;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Sends spans to a collector: OTLP as protobuf over HTTP, in the background. A collector that does not answer costs spans, which are counted in
 * the log, and nothing else.
 */
public final class OtlpTracing implements Tracing {

    private static final String PATH = "/v1/traces";
    private static final Duration EXPORT_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration EXPORT_EVERY = Duration.ofSeconds(1);
    private static final int MAX_QUEUED_SPANS = 8_192;
    private static final long NANOS_PER_SECOND = 1_000_000_000L;
    private static final TextMapGetter<Function<String, @Nullable String>> HEADERS =
            (headers, name) -> headers == null ? null : headers.apply(name);

    private final SdkTracerProvider provider;
    private final Tracer tracer;

    private OtlpTracing(SdkTracerProvider provider, String version) {
        this.provider = provider;
        this.tracer = provider.get("io.datainf.sidecar", version);
    }

    /**
     * Starts to send.
     *
     * @param endpoint of the collector, e.g. {@code http://localhost:4318}; without a path, that of traces is added
     * @param ratio share of the traces that begin here, 0 to 1; where the client has a trace, it has decided
     * @param version of the server
     */
    public static OtlpTracing start(URI endpoint, double ratio, String version) {
        boolean bare = endpoint.getPath() == null || endpoint.getPath().isEmpty() || "/".equals(endpoint.getPath());
        OtlpHttpSpanExporter exporter = OtlpHttpSpanExporter.builder()
                .setEndpoint((bare ? endpoint.resolve(PATH) : endpoint).toString())
                .setTimeout(EXPORT_TIMEOUT)
                .build();
        SpanProcessor processor = BatchSpanProcessor.builder(exporter)
                .setMaxQueueSize(MAX_QUEUED_SPANS)
                .setScheduleDelay(EXPORT_EVERY)
                .setExporterTimeout(EXPORT_TIMEOUT)
                .build();
        Resource resource = Resource.getDefault()
                .merge(Resource.create(Attributes.of(
                        AttributeKey.stringKey("service.name"),
                        "datainf-server",
                        AttributeKey.stringKey("service.version"),
                        version)));
        SdkTracerProvider provider = SdkTracerProvider.builder()
                .setResource(resource)
                .setSampler(Sampler.parentBased(Sampler.traceIdRatioBased(ratio)))
                .addSpanProcessor(processor)
                .build();
        return new OtlpTracing(provider, version);
    }

    @Override
    public CallTrace begin(Function<String, @Nullable String> header) {
        Context parent = W3CTraceContextPropagator.getInstance().extract(Context.root(), header, HEADERS);
        SpanContext client = Span.fromContext(parent).getSpanContext();
        return client.isValid() && !client.isSampled() ? CallTrace.OFF : new OfCall(tracer, parent);
    }

    @Override
    public void close() {
        provider.shutdown().join(EXPORT_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    }

    private record OfCall(Tracer tracer, Context parent) implements CallTrace {

        @Override
        public boolean on() {
            return true;
        }

        @Override
        public void ended(Operation operation) {
            // Clocks of the two kinds drift apart, so they are compared each time.
            Instant now = Instant.now();
            long offset = now.getEpochSecond() * NANOS_PER_SECOND + now.getNano() - System.nanoTime();
            Span span = tracer.spanBuilder(operation.name())
                    .setParent(parent)
                    .setSpanKind(SpanKind.SERVER)
                    .setAllAttributes(attributes(operation.attributes()))
                    .setStartTimestamp(operation.startNanos() + offset, TimeUnit.NANOSECONDS)
                    .startSpan();
            if (span.isRecording()) {
                operation.error().ifPresent(error -> span.setStatus(StatusCode.ERROR, error));
                Context context = parent.with(span);
                operation.stages().forEach(stage -> record(stage, context, offset));
            }
            span.end(operation.endNanos() + offset, TimeUnit.NANOSECONDS);
        }

        private void record(Operation.Stage stage, Context context, long offset) {
            tracer.spanBuilder(stage.name())
                    .setParent(context)
                    .setStartTimestamp(stage.startNanos() + offset, TimeUnit.NANOSECONDS)
                    .startSpan()
                    .end(stage.endNanos() + offset, TimeUnit.NANOSECONDS);
        }

        private static Attributes attributes(Map<String, Object> values) {
            var attributes = Attributes.builder();
            values.forEach((name, value) -> {
                if (value instanceof Number number) {
                    attributes.put(name, number.longValue());
                } else {
                    attributes.put(name, value.toString());
                }
            });
            return attributes.build();
        }
    }
}
