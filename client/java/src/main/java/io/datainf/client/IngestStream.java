package io.datainf.client;

import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import org.jspecify.annotations.Nullable;

/**
 * One Ingest stream, from Open to its end. gRPC calls the observer methods, one at a time; the sender's thread the
 * others. Each change of state is followed by a signal through the outbox.
 */
final class IngestStream implements ClientResponseObserver<IngestRequest, IngestResponse> {
    private final Outbox outbox;
    private volatile @Nullable ClientCallStreamObserver<IngestRequest> requests;
    private volatile @Nullable Opened opened;
    private volatile boolean ended;
    private volatile @Nullable Throwable endCause;

    IngestStream(Outbox outbox) {
        this.outbox = outbox;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<IngestRequest> stream) {
        requests = stream;
        stream.setOnReadyHandler(outbox::signal);
    }

    @Override
    public void onNext(IngestResponse response) {
        if (response.hasOpened()) {
            // First the batches, then the state: nobody may send before the sent ones are back in line.
            outbox.opened(response.getOpened());
            opened = response.getOpened();
            outbox.signal();
        } else if (response.hasAck()) {
            outbox.acked(response.getAck());
        }
    }

    @Override
    public void onError(Throwable cause) {
        endCause = cause;
        ended = true;
        outbox.signal();
    }

    @Override
    public void onCompleted() {
        ended = true;
        outbox.signal();
    }

    void send(Open open) {
        stream().onNext(IngestRequest.newBuilder().setOpen(open).build());
    }

    void send(IngestRequest message) {
        stream().onNext(message);
    }

    /** Says that no more batches come. */
    void complete() {
        stream().onCompleted();
    }

    void cancel(String why) {
        stream().cancel(why, null);
    }

    boolean isOpen() {
        return opened != null;
    }

    boolean isReady() {
        return stream().isReady();
    }

    boolean hasEnded() {
        return ended;
    }

    /** What the stream ended with; null if with OK, or not yet. */
    @Nullable
    Throwable endCause() {
        return endCause;
    }

    /** The server's limit; only once the stream is open. */
    int maxMessageBytes() {
        Opened limits = opened;
        if (limits == null) {
            throw new IllegalStateException("the stream is not open");
        }
        return (int) Math.min(Integer.MAX_VALUE, limits.getMaxMessageBytes());
    }

    private ClientCallStreamObserver<IngestRequest> stream() {
        ClientCallStreamObserver<IngestRequest> stream = requests;
        if (stream == null) {
            throw new IllegalStateException("the call has not started");
        }
        return stream;
    }
}
