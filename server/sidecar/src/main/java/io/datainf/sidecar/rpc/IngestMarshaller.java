package io.datainf.sidecar.rpc;

import io.grpc.MethodDescriptor.Marshaller;
import java.io.IOException;
import java.io.InputStream;

/**
 * Reads the messages of writers without copying their gradients: whoever takes a message copies them, once, to their
 * place. For servers; clients have the generated one.
 */
final class IngestMarshaller implements Marshaller<IngestMessage> {

    private final RpcLimits limits;

    IngestMarshaller(RpcLimits limits) {
        this.limits = limits;
    }

    @Override
    public InputStream stream(IngestMessage message) {
        throw new UnsupportedOperationException("servers send no requests");
    }

    /** Never fails: a message that cannot be taken says so itself. Closing the stream is for gRPC. */
    @Override
    public IngestMessage parse(InputStream stream) {
        try {
            return IngestDecoder.decode(MessagePieces.of(stream, limits));
        } catch (RequestTooLargeException | InvalidRequestException e) {
            return new IngestMessage.Refused(e);
        } catch (MalformedMessageException | IOException e) {
            return new IngestMessage.Refused(
                    new InvalidRequestException("message", "the message is no IngestRequest: " + e.getMessage()));
        }
    }
}
