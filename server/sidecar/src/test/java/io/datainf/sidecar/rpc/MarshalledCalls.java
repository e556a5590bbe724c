package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelOption;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A server over Netty that passes what the marshaller makes of messages to a test, and counts the memory of its connections. */
final class MarshalledCalls implements AutoCloseable {

    private static final long PATIENCE_SECONDS = 20;

    final ManagedChannel channel;
    private final UnpooledByteBufAllocator allocator = new UnpooledByteBufAllocator(true);
    private final Server server;

    /** Starts a server whose calls give each message to {@code taker}, on a thread of gRPC. */
    MarshalledCalls(Consumer<IngestMessage> taker) throws IOException {
        MethodDescriptor<IngestRequest, IngestResponse> generated = IngestServiceGrpc.getIngestMethod();
        MethodDescriptor<IngestMessage, IngestResponse> method = generated.toBuilder(
                        new IngestMarshaller(RpcLimits.DEFAULT), generated.getResponseMarshaller())
                .build();
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .withChildOption(ChannelOption.ALLOCATOR, allocator)
                .maxInboundMessageSize(RpcLimits.DEFAULT.transportMessageBytes())
                .addService(ServerServiceDefinition.builder(IngestServiceGrpc.SERVICE_NAME)
                        .addMethod(
                                method, ServerCalls.asyncBidiStreamingCall(answers -> new EachMessage(taker, answers)))
                        .build())
                .build()
                .start();
        channel = NettyChannelBuilder.forAddress(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getPort()))
                .usePlaintext()
                .build();
    }

    /** Bytes outside the heap that the server's connections hold. */
    long networkBytes() {
        return allocator.metric().usedDirectMemory();
    }

    /** Ends the connections. */
    @Override
    public void close() {
        try {
            channel.shutdownNow().awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
            server.shutdownNow().awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private record EachMessage(Consumer<IngestMessage> taker, StreamObserver<IngestResponse> answers)
            implements StreamObserver<IngestMessage> {

        @Override
        public void onNext(IngestMessage message) {
            taker.accept(message);
            answers.onNext(IngestResponse.getDefaultInstance());
        }

        @Override
        public void onError(Throwable cause) {}

        @Override
        public void onCompleted() {
            answers.onCompleted();
        }
    }
}
