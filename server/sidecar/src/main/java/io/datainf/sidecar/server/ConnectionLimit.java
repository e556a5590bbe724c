package io.datainf.sidecar.server;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Closes connections as they are accepted while too many are open: each takes a file, and the last file would be missing where samples are
 * stored. For the pipelines of server channels; any number of them share it.
 */
@Sharable
final class ConnectionLimit extends ChannelInboundHandlerAdapter {

    private static final Logger LOG = LoggerFactory.getLogger(ConnectionLimit.class);
    private static final long LOG_EVERY = 1_000;

    private final int most;
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicLong refused = new AtomicLong();

    ConnectionLimit(int most) {
        this.most = most;
    }

    /** Connections that are open. */
    int openCount() {
        return open.get();
    }

    /** Connections that were closed at once, since the start. */
    long refusedCount() {
        return refused.get();
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        Channel connection = (Channel) message; // a server channel reads nothing else
        if (open.incrementAndGet() > most) {
            int ignored = open.decrementAndGet();
            connection.unsafe().closeForcibly();
            if (refused.getAndIncrement() % LOG_EVERY == 0) {
                LOG.warn("{} connections are open, as many as may be: more are closed at once", most);
            }
            return;
        }
        connection.closeFuture().addListener(closed -> open.decrementAndGet());
        context.fireChannelRead(message);
    }
}
