package io.datainf.loadtests.ingest;

import com.google.gson.JsonObject;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * A process that takes gRPC messages of bytes and does nothing with them, on a transport set up like that of our server. Prints where it
 * listens, {"grpc", "grpc-unix"}, and ends with standard input.
 */
final class RawSink {

    // As the server has them: GrpcFrontend and GrpcListeners.
    private static final int FLOW_CONTROL_WINDOW_BYTES = 1 << 20;
    private static final int THREADS = Math.max(4, 2 * Runtime.getRuntime().availableProcessors());
    private static final int MAX_MESSAGE_BYTES = 64 << 20;

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private final EventLoopGroup acceptors = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    private final EventLoopGroup workers = new MultiThreadIoEventLoopGroup(EpollIoHandler.newFactory());
    private final ExecutorService callbacks =
            Executors.newFixedThreadPool(THREADS, Thread.ofPlatform().daemon().factory());

    private RawSink() {}

    /**
     * Serves until standard input ends.
     *
     * @param arguments the folder for the socket
     */
    public static void main(String[] arguments) throws IOException {
        NETTY.setLevel(Level.SEVERE);
        RawSink sink = new RawSink();
        Path socket = Path.of(arguments[0], "raw");
        Server tcp =
                sink.start(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), EpollServerSocketChannel.class);
        sink.start(new DomainSocketAddress(socket.toFile()), EpollServerDomainSocketChannel.class);
        JsonObject addresses = new JsonObject();
        addresses.addProperty("grpc", "127.0.0.1:" + tcp.getPort());
        addresses.addProperty("grpc-unix", "unix:" + socket);
        System.out.println(addresses);
        while (System.in.read() >= 0) {}
        System.exit(0);
    }

    private Server start(SocketAddress address, Class<? extends ServerChannel> channelType) throws IOException {
        return NettyServerBuilder.forAddress(address)
                .channelType(channelType)
                .bossEventLoopGroup(acceptors)
                .workerEventLoopGroup(workers)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .flowControlWindow(FLOW_CONTROL_WINDOW_BYTES)
                .executor(callbacks)
                .addService(ServerServiceDefinition.builder(RawBytes.SERVICE)
                        .addMethod(RawBytes.TAKEN, ServerCalls.asyncClientStreamingCall(Counter::new))
                        .build())
                .build()
                .start();
    }

    /** Counts bytes. */
    private static final class Counter implements StreamObserver<Integer> {

        private final StreamObserver<Long> answer;
        private long bytes;

        Counter(StreamObserver<Long> answer) {
            this.answer = answer;
        }

        @Override
        public void onNext(Integer messageBytes) {
            bytes += messageBytes;
        }

        @Override
        public void onError(Throwable cause) {
            // The sender has gone, and tells.
        }

        @Override
        public void onCompleted() {
            answer.onNext(bytes);
            answer.onCompleted();
        }
    }
}
