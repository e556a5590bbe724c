package io.datainf.sidecar.server;

import io.datainf.sidecar.rpc.GrpcFrontend;
import io.datainf.sidecar.tracing.Tracing;
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
import java.util.function.Supplier;
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
    // A connection that says nothing is cut after the handshake's time, one without calls after the idle time; clients
    // connect again when they call.
    private static final long HANDSHAKE_SECONDS = 20;
    private static final long IDLE_MINUTES = 10;
    // Calls that are cancelled as soon as they are made cost the server more than the client.
    private static final int MAX_RESETS = 2_000;
    private static final int RESET_SECONDS = 10;

    private final EventLoopGroup acceptors = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    private final EventLoopGroup workers = new MultiThreadIoEventLoopGroup(EpollIoHandler.newFactory());
    private final ConnectionLimit connections;
    private final List<Server> servers = new ArrayList<>();
    private @Nullable Server health;
    private @Nullable UnixSocketFile socketFile;

    private GrpcListeners(ConnectionLimit connections) {
        this.connections = connections;
    }

    /**
     * What looks on while calls are served.
     *
     * @param metrics stands before every call
     * @param tracing where calls are traced
     * @param reports sees every call with what is known of it
     */
    record Observation(ServerInterceptor metrics, Tracing tracing, ServerInterceptor reports) {}

    /**
     * Binds and starts.
     *
     * @param observation what looks on
     * @param tls what the TCP port speaks; empty: plain text
     * @throws IOException if an address cannot be bound
     */
    static GrpcListeners start(
            ServerConfig.Listeners listeners, GrpcFrontend frontend, Observation observation, Optional<SslContext> tls)
            throws IOException {
        Epoll.ensureAvailability();
        GrpcListeners started = new GrpcListeners(new ConnectionLimit(listeners.maxConnections()));
        try {
            InetSocketAddress grpc = listeners.grpc();
            boolean reflection = listeners.reflection() || grpc.getAddress().isLoopbackAddress();
            started.bind(grpc, EpollServerSocketChannel::new, frontend, reflection, observation, tls);
            if (listeners.health().isPresent()) {
                started.bindHealth(listeners.health().get(), frontend);
            }
            if (listeners.unixSocket().isPresent()) {
                UnixSocketFile socket =
                        UnixSocketFile.prepare(listeners.unixSocket().get());
                started.socketFile = socket;
                SocketAddress address =
                        new DomainSocketAddress(socket.hiddenPath().toFile());
                started.bind(
                        address, EpollServerDomainSocketChannel::new, frontend, true, observation, Optional.empty());
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

    /** The connections that are open. */
    ConnectionLimit connections() {
        return connections;
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

    private ServerChannel limited(ServerChannel channel) {
        channel.pipeline().addLast(connections); // before what gRPC adds to take connections in
        return channel;
    }

    private void bind(
            SocketAddress address,
            Supplier<? extends ServerChannel> channels,
            GrpcFrontend frontend,
            boolean reflection,
            Observation observation,
            Optional<SslContext> tls)
            throws IOException {
        NettyServerBuilder builder = builder(address, () -> limited(channels.get()));
        tls.ifPresent(builder::sslContext);
        frontend.configure(builder, reflection, observation.tracing(), observation.reports());
        builder.intercept(observation.metrics());
        servers.add(started(builder, address));
    }

    /** Not counted in the metrics of calls: probes would be most of them. */
    private void bindHealth(InetSocketAddress address, GrpcFrontend frontend) throws IOException {
        NettyServerBuilder builder = builder(address, EpollServerSocketChannel::new);
        frontend.configureHealth(builder);
        health = started(builder, address);
    }

    private NettyServerBuilder builder(SocketAddress address, Supplier<? extends ServerChannel> channels) {
        return NettyServerBuilder.forAddress(address)
                .channelFactory(channels::get)
                .bossEventLoopGroup(acceptors)
                .workerEventLoopGroup(workers)
                .withChildOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new AdaptiveRecvByteBufAllocator(LEAST_READ_BYTES, FIRST_READ_BYTES, MOST_READ_BYTES))
                .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .permitKeepAliveTime(LEAST_CLIENT_KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                .handshakeTimeout(HANDSHAKE_SECONDS, TimeUnit.SECONDS)
                .maxConnectionIdle(IDLE_MINUTES, TimeUnit.MINUTES)
                .maxRstFramesPerWindow(MAX_RESETS, RESET_SECONDS);
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
