package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SharedRange;
import io.datainf.sidecar.ingest.BatchMessage;
import org.jspecify.annotations.Nullable;

/** One message of a writer, an IngestRequest. */
sealed interface IngestMessage {

    /** The first message of a stream. */
    record Opening(Open open) implements IngestMessage {}

    /**
     * Samples. Their gradients are borrowed for the call that takes the message.
     *
     * @param shared where the gradients lie in the shared memory of the stream; null if they came with the message
     */
    record Samples(BatchMessage batch, @Nullable SharedRange shared) implements IngestMessage {}

    /**
     * A message that cannot be taken. It is handed on like any other, because gRPC would end a stream whose message fails
     * to parse with UNKNOWN, without a word why, and before what came earlier is acked.
     */
    record Refused(RuntimeException cause) implements IngestMessage {}
}
