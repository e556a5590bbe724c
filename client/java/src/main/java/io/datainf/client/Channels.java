package io.datainf.client;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Makes channels to "host:port" and "unix:/path", in plain text. */
final class Channels {
    private static final String UNIX = "unix:";
    private static final int KEEPALIVE_SECONDS = 60;

    private Channels() {}

    /**
     * A channel and the threads that only it uses.
     *
     * @param channel the channel
     * @param group null for gRPC's own
     */
    record Connection(ManagedChannel channel, @Nullable EventLoopGroup group) {

        /** Lets running calls end, at most `seconds`, then cuts them off. */
        void close(int seconds) {
            channel.shutdown();
            try {
                if (!channel.awaitTermination(seconds, TimeUnit.SECONDS)) {
                    channel.shutdownNow();
                }
            } catch (InterruptedException e) {
                channel.shutdownNow();
                Thread.currentThread().interrupt();
            }
            if (group != null) {
                group.shutdownGracefully(0, seconds, TimeUnit.SECONDS).awaitUninterruptibly(seconds, TimeUnit.SECONDS);
            }
        }
    }

    static Connection connect(String target) {
        if (target.startsWith(UNIX)) {
            return unix(target.substring(UNIX.length()));
        }
        int colon = target.lastIndexOf(':');
        if (colon < 1 || !target.substring(colon + 1).matches("\\d{1,5}")) {
            throw new IllegalArgumentException("target is \"" + target + "\": expected host:port or unix:/path");
        }
        return new Connection(
                configure(NettyChannelBuilder.forTarget("dns:///" + target)).build(), null);
    }

    private static Connection unix(String path) {
        if (path.isEmpty()) {
            throw new IllegalArgumentException("target is \"" + UNIX + "\": expected unix:/path");
        }
        if (!Epoll.isAvailable()) {
            throw new UnsupportedOperationException("Unix sockets need Linux", Epoll.unavailabilityCause());
        }
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        return new Connection(
                configure(NettyChannelBuilder.forAddress(new DomainSocketAddress(path)))
                        .eventLoopGroup(group)
                        .channelType(EpollDomainSocketChannel.class, DomainSocketAddress.class)
                        .overrideAuthority("localhost")
                        .build(),
                group);
    }

    private static NettyChannelBuilder configure(NettyChannelBuilder builder) {
        // Retries are our own: gRPC's would repeat a broken stream from its beginning.
        return builder.usePlaintext().disableRetry().keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS);
    }
}
