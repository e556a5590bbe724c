package io.datainf.sidecar.server;

import static java.util.stream.Collectors.toMap;

import com.google.protobuf.ByteString;
import com.sun.net.httpserver.HttpServer;
import io.datainf.sidecar.Await;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.trace.v1.Span;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** A collector: takes OTLP over HTTP and keeps what comes. */
final class OtlpReceiver implements AutoCloseable {

    private final HttpServer server;
    private final List<Span> spans = new CopyOnWriteArrayList<>();
    private final List<Map<String, String>> resources = new CopyOnWriteArrayList<>();
    private final List<byte[]> bodies = new CopyOnWriteArrayList<>();

    OtlpReceiver() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/traces", exchange -> {
            try (exchange) {
                byte[] body = exchange.getRequestBody().readAllBytes();
                bodies.add(body);
                ExportTraceServiceRequest request = ExportTraceServiceRequest.parseFrom(body);
                request.getResourceSpansList().forEach(ofResource -> {
                    resources.add(attributes(ofResource.getResource().getAttributesList()));
                    ofResource.getScopeSpansList().forEach(scope -> spans.addAll(scope.getSpansList()));
                });
                // The protocol's answer, ExportTraceServiceResponse, has no bytes when all is well.
                exchange.getResponseHeaders().set("Content-Type", "application/x-protobuf");
                exchange.sendResponseHeaders(200, -1);
            }
        });
        server.start();
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /** The spans of a name, once there are so many. */
    List<Span> await(String name, int count) {
        Await.until(count + " spans " + name, () -> named(name).size() >= count);
        return named(name);
    }

    /** The spans of a name so far. */
    List<Span> named(String name) {
        return spans.stream().filter(span -> span.getName().equals(name)).toList();
    }

    /** The children of a span, in order of their start. */
    List<Span> children(Span parent) {
        return spans.stream()
                .filter(span -> span.getParentSpanId().equals(parent.getSpanId())
                        && span.getTraceId().equals(parent.getTraceId()))
                .sorted((a, b) -> Long.compare(a.getStartTimeUnixNano(), b.getStartTimeUnixNano()))
                .toList();
    }

    List<Span> all() {
        return List.copyOf(spans);
    }

    List<Map<String, String>> resources() {
        return List.copyOf(resources);
    }

    /** All that came, as it came. */
    List<byte[]> bodies() {
        return List.copyOf(bodies);
    }

    static String hex(ByteString id) {
        return HexFormat.of().formatHex(id.toByteArray());
    }

    static Map<String, String> attributes(List<KeyValue> attributes) {
        return attributes.stream()
                .collect(toMap(
                        KeyValue::getKey,
                        pair -> pair.getValue().hasIntValue()
                                ? Long.toString(pair.getValue().getIntValue())
                                : pair.getValue().getStringValue()));
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
