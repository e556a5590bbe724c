package io.datainf.sidecar.rpc;

import io.grpc.Attributes;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerTransportFilter;
import io.netty.channel.unix.DomainSocketAddress;
import java.net.InetSocketAddress;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;

/**
 * Tells calls of one client from those of another, by the connection that they came on: the address does not do, because it is
 * the same for all clients of a Unix socket.
 */
final class ClientConnection {

    private static final Attributes.Key<Object> CONNECTION = Attributes.Key.create("io.datainf.connection");
    private static final Context.Key<Object> CLIENT = Context.key("io.datainf.client");
    private static final Context.Key<Boolean> ON_THIS_HOST = Context.keyWithDefault("io.datainf.on-this-host", false);
    private static final Object UNKNOWN = new Object();

    private ClientConnection() {}

    /** Makes a server tell connections apart. */
    static void tellApart(ServerBuilder<?> builder) {
        builder.addTransportFilter(new Marker()).intercept(new Reader());
    }

    /** Who makes the call that the calling thread serves: equal for all calls on one connection. */
    static Object current() {
        @Nullable Object client = CLIENT.get();
        return client == null ? UNKNOWN : client;
    }

    /** Whether the call that the calling thread serves came through a Unix socket. */
    static boolean onThisHost() {
        return ON_THIS_HOST.get();
    }

    /** What to call a peer without a token: the subject of its certificate or, without one, its host. */
    static String peerName(Attributes attributes) {
        @Nullable SSLSession session = attributes.get(Grpc.TRANSPORT_ATTR_SSL_SESSION);
        if (session != null) {
            try {
                return session.getPeerPrincipal().getName();
            } catch (SSLPeerUnverifiedException e) {
                // It has none, and needs none.
            }
        }
        return attributes.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) instanceof InetSocketAddress address
                ? address.getHostString()
                : "unknown";
    }

    private static final class Marker extends ServerTransportFilter {

        @Override
        public Attributes transportReady(Attributes attributes) {
            return attributes.toBuilder().set(CONNECTION, new Object()).build();
        }
    }

    private static final class Reader implements ServerInterceptor {

        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            Attributes attributes = call.getAttributes();
            Object connection = attributes.get(CONNECTION);
            boolean onThisHost = attributes.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) instanceof DomainSocketAddress;
            Context context = Context.current().withValue(ON_THIS_HOST, onThisHost);
            if (connection != null) {
                context = context.withValue(CLIENT, connection);
            }
            return Contexts.interceptCall(context, call, headers, next);
        }
    }
}
