package io.datainf.sidecar.server;

import io.datainf.sidecar.rpc.GrpcFrontend;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.handler.ssl.SslContext;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The same gRPC services on a TCP port and, when asked for, on a Unix socket. */
final class GrpcListeners implements AutoCloseable {

    // Cutting a stream right after its status was sent can overtake the status: the client would see CANCELLED.
    private static final Duration LINGER = Duration.ofSeconds(2);
    // Netty reads at most 64 KiB at a time: for a writer, that takes a sixth more of the server's CPU time. Buffers
    // start small and grow only for connections that fill them.
    private static final int LEAST_READ_BYTES = 64;
    private static final int FIRST_READ_BYTES = 2 << 10;
    private static final int MOST_READ_BYTES = 256 << 10;
    private static final long KEEPALIVE_SECONDS = 60;
    private static final long LEAST_CLIENT_KEEPALIVE_SECONDS = 10;

    private final EventLoopGroup acceptors = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    private final EventLoopGroup workers = new MultiThreadIoEventLoopGroup(EpollIoHandler.newFactory());
    private final List<Server> servers = new ArrayList<>();
    private @Nullable Server health;
    private @Nullable UnixSocketFile socketFile;

    private GrpcListeners() {}

    /**
     * Binds and starts.
     *
     * @param interceptor stands before every call
     * @param tls what the TCP port speaks; empty: plain text
     * @throws IOException if an address cannot be bound
     */
    static GrpcListeners start(
            ServerConfig.Listeners listeners,
            GrpcFrontend frontend,
            ServerInterceptor interceptor,
            Optional<SslContext> tls)
            throws IOException {
        Epoll.ensureAvailability();
        GrpcListeners started = new GrpcListeners();
        try {
            started.bind(listeners.grpc(), EpollServerSocketChannel.class, frontend, interceptor, tls);
            if (listeners.health().isPresent()) {
                started.bindHealth(listeners.health().get(), frontend);
            }
            if (listeners.unixSocket().isPresent()) {
                UnixSocketFile socket =
                        UnixSocketFile.prepare(listeners.unixSocket().get());
                started.socketFile = socket;
                SocketAddress address =
                        new DomainSocketAddress(socket.hiddenPath().toFile());
                started.bind(address, EpollServerDomainSocketChannel.class, frontend, interceptor, Optional.empty());
                socket.publish(listeners.unixSocketMode());
            }
            return started;
        } catch (IOException | RuntimeException e) {
            started.close();
            throw e;
        }
    }

    /** The TCP address bound. */
    InetSocketAddress address() {
        return addressOf(servers.getFirst());
    }

    /** The address of health alone; empty: there is none. */
    Optional<InetSocketAddress> healthAddress() {
        return Optional.ofNullable(health).map(GrpcListeners::addressOf);
    }

    /** Takes no new calls; those that run go on, and so does health alone, which tells that the server stops. */
    void shutdown() {
        servers.forEach(Server::shutdown);
    }

    /** Ends what still runs and frees the addresses. Last words on their way to clients get a moment to leave. */
    @Override
    public void close() {
        shutdown();
        try {
            long deadline = System.nanoTime() + LINGER.toNanos();
            for (Server server : servers) {
                if (!server.awaitTermination(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                    server.shutdownNow().awaitTermination(LINGER.toNanos(), TimeUnit.NANOSECONDS);
                }
            }
        } catch (InterruptedException e) {
            servers.forEach(Server::shutdownNow);
            Thread.currentThread().interrupt();
        }
        if (health != null) {
            health.shutdownNow();
        }
        if (socketFile != null) {
            socketFile.close();
        }
        workers.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
        acceptors.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    private void bind(
            SocketAddress address,
            Class<? extends ServerChannel> channelType,
            GrpcFrontend frontend,
            ServerInterceptor interceptor,
            Optional<SslContext> tls)
            throws IOException {
        NettyServerBuilder builder = builder(address, channelType);
        tls.ifPresent(builder::sslContext);
        frontend.configure(builder);
        builder.intercept(interceptor);
        servers.add(started(builder, address));
    }

    /** Not counted in the metrics of calls: probes would be most of them. */
    private void bindHealth(InetSocketAddress address, GrpcFrontend frontend) throws IOException {
        NettyServerBuilder builder = builder(address, EpollServerSocketChannel.class);
        frontend.configureHealth(builder);
        health = started(builder, address);
    }

    private NettyServerBuilder builder(SocketAddress address, Class<? extends ServerChannel> channelType) {
        return NettyServerBuilder.forAddress(address)
                .channelType(channelType)
                .bossEventLoopGroup(acceptors)
                .workerEventLoopGroup(workers)
                .withChildOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new AdaptiveRecvByteBufAllocator(LEAST_READ_BYTES, FIRST_READ_BYTES, MOST_READ_BYTES))
                .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .permitKeepAliveTime(LEAST_CLIENT_KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true);
    }

    private static InetSocketAddress addressOf(Server server) {
        return (InetSocketAddress) server.getListenSockets().getFirst();
    }

    private static Server started(NettyServerBuilder builder, SocketAddress address) throws IOException {
        try {
            return builder.build().start();
        } catch (IOException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new IOException("cannot listen on %s: %s".formatted(address, cause.getMessage()), e);
        }
    }
}
