package io.datainf.client;

import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.Opened;
import io.grpc.Channel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import org.jspecify.annotations.Nullable;

/**
 * One Ingest stream, from Open to its end. gRPC calls the observer methods, one at a time; the sender's thread the
 * others. Each change of state is followed by a signal through the outbox.
 */
final class IngestStream implements ClientResponseObserver<IngestFrame, IngestResponse> {
    private final Outbox outbox;
    private volatile @Nullable ClientCallStreamObserver<IngestFrame> requests;
    private volatile @Nullable Opened opened;
    private volatile boolean ended;
    private volatile @Nullable Throwable endCause;

    IngestStream(Outbox outbox) {
        this.outbox = outbox;
    }

    /** Begins the call. */
    void start(Channel channel) {
        IngestMethod.start(channel, this);
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<IngestFrame> stream) {
        requests = stream;
        stream.setOnReadyHandler(outbox::signal);
    }

    @Override
    public void onNext(IngestResponse response) {
        if (response.hasOpened()) {
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

    void send(IngestFrame frame) {
        stream().onNext(frame);
    }

    /** Says that no more batches come. */
    void complete() {
        stream().onCompleted();
    }

    /** Ends the stream if it has not ended. */
    void cancel(String why) {
        stream().cancel(why, null);
    }

    boolean isReady() {
        return stream().isReady();
    }

    boolean hasEnded() {
        return ended;
    }

    /** The server's answer to Open; null until it comes. */
    @Nullable
    Opened opened() {
        return opened;
    }

    /** What the stream ended with; null if with OK, or not yet. */
    @Nullable
    Throwable endCause() {
        return endCause;
    }

    private ClientCallStreamObserver<IngestFrame> stream() {
        ClientCallStreamObserver<IngestFrame> stream = requests;
        if (stream == null) {
            throw new IllegalStateException("the call has not started");
        }
        return stream;
    }
}
