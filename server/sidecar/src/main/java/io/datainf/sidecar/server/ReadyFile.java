package io.datainf.sidecar.server;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/** Tells scripts where the server listens: {"grpc","unix","http","pid"}, written whole or not at all. */
final class ReadyFile {

    private ReadyFile() {}

    /** Writes the file; {@code unix} is null in it when there is no Unix socket. */
    static void write(Path file, InetSocketAddress grpc, Optional<Path> unixSocket, InetSocketAddress http)
            throws IOException {
        String unix =
                unixSocket.map(path -> quoted(path.toAbsolutePath().toString())).orElse("null");
        String json = "{\"grpc\": %s, \"unix\": %s, \"http\": %s, \"pid\": %d}%n"
                .formatted(
                        quoted(text(grpc)),
                        unix,
                        quoted(text(http)),
                        ProcessHandle.current().pid());
        Path absolute = file.toAbsolutePath();
        Path temporary = absolute.resolveSibling(absolute.getFileName() + ".tmp");
        Files.writeString(temporary, json);
        Files.move(temporary, absolute, StandardCopyOption.ATOMIC_MOVE);
    }

    /** The address as clients take it, e.g. 127.0.0.1:50051 or [::1]:50051. */
    static String text(InetSocketAddress address) {
        String host = address.getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        text.chars().forEach(c -> {
            if (c == '"' || c == '\\') {
                json.append('\\').append((char) c);
            } else if (c < ' ') {
                json.append("\\u%04x".formatted(c));
            } else {
                json.append((char) c);
            }
        });
        return json.append('"').toString();
    }
}
