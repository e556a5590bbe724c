package io.datainf.loadtests.ingest;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;

/** One writer that sends messages of bytes to a {@link RawSink}, on a connection set up like that of our client. */
final class RawSender implements JavaSender.Sender {

    private static final String UNIX = "unix:";
    // Beyond so many bytes that have not left, nothing more is given: enough that the network never waits.
    private static final int READY_BYTES = 4 << 20;

    private final byte[][] messages;
    private final int count;
    private final EventLoopGroup group = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    private final ManagedChannel channel;

    RawSender(String target, byte[][] messages, int count) {
        this.messages = messages;
        this.count = count;
        NettyChannelBuilder builder = target.startsWith(UNIX)
                ? NettyChannelBuilder.forAddress(new DomainSocketAddress(target.substring(UNIX.length())))
                        .eventLoopGroup(group)
                        .channelType(EpollDomainSocketChannel.class, DomainSocketAddress.class)
                        .overrideAuthority("localhost")
                : NettyChannelBuilder.forTarget("dns:///" + target);
        this.channel = builder.usePlaintext().disableRetry().build();
    }

    @Override
    public void warmUp() throws InterruptedException, ExecutionException {
        send(1);
    }

    @Override
    public void send() throws InterruptedException, ExecutionException {
        send(count);
    }

    private void send(int messageCount) throws InterruptedException, ExecutionException {
        Answer answer = new Answer();
        var call = channel.newCall(RawBytes.SENT, CallOptions.DEFAULT.withOnReadyThreshold(READY_BYTES));
        var requests = (ClientCallStreamObserver<byte[]>) ClientCalls.asyncClientStreamingCall(call, answer);
        long sent = 0;
        for (int i = 0; i < messageCount; i++) {
            while (!requests.isReady() && !answer.bytes.isDone()) {
                answer.ready.acquire();
            }
            byte[] message = messages[i % messages.length];
            requests.onNext(message);
            sent += message.length;
        }
        requests.onCompleted();
        long taken = answer.bytes.get();
        if (taken != sent) {
            throw new IllegalStateException("%d bytes arrived: expected %d".formatted(taken, sent));
        }
    }

    @Override
    public void close() {
        channel.shutdownNow();
        Future<?> ignored = group.shutdownGracefully();
    }

    private static final class Answer implements ClientResponseObserver<byte[], Long> {

        private final Semaphore ready = new Semaphore(0);
        private final CompletableFuture<Long> bytes = new CompletableFuture<>();

        @Override
        public void beforeStart(ClientCallStreamObserver<byte[]> requests) {
            requests.setOnReadyHandler(ready::release);
        }

        @Override
        public void onNext(Long count) {
            bytes.complete(count);
        }

        @Override
        public void onError(Throwable cause) {
            bytes.completeExceptionally(cause);
            ready.release();
        }

        @Override
        public void onCompleted() {}
    }
}
