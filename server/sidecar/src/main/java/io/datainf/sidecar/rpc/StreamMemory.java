package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.SharedRange;
import io.datainf.sidecar.ingest.BatchMessage;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The shared memory of one stream, if it has any. Closed by any thread; otherwise used by those of its call, one at a time. */
final class StreamMemory implements AutoCloseable {

    private final SharedMemory memory;
    // Guarded by this.
    private @Nullable SharedRegion region;
    private boolean closed;

    StreamMemory(SharedMemory memory) {
        this.memory = memory;
    }

    /** Takes as much as the writer wants, or as there is. */
    synchronized void open(long wantedBytes) {
        if (!closed) {
            region = memory.share(wantedBytes).orElse(null);
        }
    }

    /** What to tell the writer. */
    synchronized Optional<io.datainf.proto.v1.SharedMemory> offer() {
        return Optional.ofNullable(region)
                .map(shared -> io.datainf.proto.v1.SharedMemory.newBuilder()
                        .setPath(shared.path().toString())
                        .setByteCount(shared.byteCount())
                        .setToken(ByteString.copyFrom(shared.token()))
                        .build());
    }

    /**
     * Returns the batch with its gradients, wherever they lie.
     *
     * @throws InvalidRequestException if they do not lie where the message says
     */
    BatchMessage find(IngestMessage.Samples samples) {
        SharedRange range = samples.shared();
        SharedRegion shared;
        synchronized (this) {
            shared = region;
        }
        if (range == null) {
            return samples.batch();
        }
        if (samples.batch().gradients().byteCount() > 0) {
            throw new InvalidRequestException(
                    "batch.shared_gradients",
                    "batch %d has gradients and shared_gradients: expected one of them"
                            .formatted(samples.batch().batchSeq()));
        }
        if (shared == null) {
            throw new InvalidRequestException(
                    "batch.shared_gradients",
                    "batch %d has shared_gradients, but the stream shares no memory: expected gradients"
                            .formatted(samples.batch().batchSeq()));
        }
        return samples.batch().withGradients(shared.gradients(range.getByteOffset(), range.getByteCount()));
    }

    @Override
    public void close() {
        SharedRegion shared;
        synchronized (this) {
            closed = true;
            shared = region;
            region = null;
        }
        if (shared != null) {
            shared.close();
        }
    }
}
