package io.datainf.sidecar.rpc;

import io.grpc.MethodDescriptor.Marshaller;
import java.io.IOException;
import java.io.InputStream;

/**
 * Reads the messages of writers without copying their gradients: whoever takes a message copies them, once, to their
 * place. For servers; clients have the generated one.
 */
final class IngestMarshaller implements Marshaller<IngestMessage> {

    // A quarter of the direct memory that the launcher gives.
    private static final long MOST_HELD_BYTES = 256L << 20;

    private final RpcLimits limits;
    private final HeldMemory memory;

    IngestMarshaller(RpcLimits limits) {
        this.limits = limits;
        this.memory = new HeldMemory(Math.min(limits.maxInFlightBytes(), MOST_HELD_BYTES));
    }

    @Override
    public InputStream stream(IngestMessage message) {
        throw new UnsupportedOperationException("servers send no requests");
    }

    /** Never fails: a message that cannot be taken says so itself. Closing the stream is for gRPC. */
    @Override
    public IngestMessage parse(InputStream stream) {
        try {
            return IngestDecoder.decode(MessagePieces.of(stream, limits, memory));
        } catch (RequestTooLargeException | InvalidRequestException e) {
            return new IngestMessage.Refused(e);
        } catch (MalformedMessageException | IOException e) {
            return new IngestMessage.Refused(
                    new InvalidRequestException("message", "the message is no IngestRequest: " + e.getMessage()));
        }
    }
}
