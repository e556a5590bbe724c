package io.datainf.loadtests.soak;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Passes connections over TCP on to a Unix socket, until they are cut: in the middle of whatever is under way, with a reset to the one
 * who connected.
 */
final class CuttingProxy implements AutoCloseable {

    private static final int BUFFER_BYTES = 64 << 10;

    private final ServerSocketChannel listener;
    private final UnixDomainSocketAddress target;
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();

    /** Begins to take connections on a free port. */
    CuttingProxy(Path unixSocket) throws IOException {
        this.target = UnixDomainSocketAddress.of(unixSocket);
        this.listener = ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        Thread.ofVirtual().start(this::accept);
    }

    /** Where to connect. */
    String target() throws IOException {
        return "127.0.0.1:" + ((InetSocketAddress) listener.getLocalAddress()).getPort();
    }

    /** Cuts all connections; returns how many there were. */
    int cut() {
        int count = open.size() / 2;
        open.forEach(CuttingProxy::close);
        return count;
    }

    private void accept() {
        while (listener.isOpen()) {
            try {
                SocketChannel client = listener.accept();
                client.setOption(StandardSocketOptions.SO_LINGER, 0); // close sends a reset
                Thread.ofVirtual().start(() -> connect(client));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void connect(SocketChannel client) {
        try {
            SocketChannel server = SocketChannel.open(target);
            open.add(client);
            open.add(server);
            Thread.ofVirtual().start(() -> pass(client, server));
            pass(server, client);
        } catch (IOException e) {
            close(client); // the server is down
        }
    }

    private void pass(SocketChannel from, SocketChannel to) {
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        try {
            while (from.read(buffer) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
                buffer.clear();
            }
        } catch (IOException e) {
            // Cut, or one end has gone; the other is to know.
        } finally {
            close(from);
            close(to);
            open.remove(from);
            open.remove(to);
        }
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            // It is gone all the same.
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }
}
