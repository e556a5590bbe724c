package io.datainf.client;

import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.stub.ClientCalls;
import java.io.InputStream;

/** The Ingest call with requests that are frames. */
final class IngestMethod {
    /** gRPC's default of 32 KiB would let one message out at a time. */
    private static final int READY_BYTES = 4 << 20;

    private static final MethodDescriptor<IngestFrame, IngestResponse> METHOD =
            IngestServiceGrpc.getIngestMethod().toBuilder(
                            new FrameMarshaller(),
                            IngestServiceGrpc.getIngestMethod().getResponseMarshaller())
                    .build();

    /** Callbacks take a lock for a moment and need no thread of their own. */
    private static final CallOptions OPTIONS =
            CallOptions.DEFAULT.withOnReadyThreshold(READY_BYTES).withExecutor(Runnable::run);

    private IngestMethod() {}

    static void start(Channel channel, IngestStream stream) {
        // The stream keeps what the stub returns: it gets it in beforeStart.
        var unused = ClientCalls.asyncBidiStreamingCall(channel.newCall(METHOD, OPTIONS), stream);
    }

    private static final class FrameMarshaller implements Marshaller<IngestFrame> {

        @Override
        public InputStream stream(IngestFrame frame) {
            return frame.stream();
        }

        @Override
        public IngestFrame parse(InputStream stream) {
            throw new UnsupportedOperationException("a client reads no requests");
        }
    }
}
