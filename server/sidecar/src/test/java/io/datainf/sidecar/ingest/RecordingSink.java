package io.datainf.sidecar.ingest;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The connection to a writer that reads when it is told to. Calls come under the session's lock. */
final class RecordingSink implements IngestSink {

    private boolean ready = true;
    private int requested;
    private boolean ended;
    private @Nullable Throwable cause;
    private final List<BatchAck> acks = new ArrayList<>();

    synchronized void setReady(boolean value) {
        ready = value;
    }

    synchronized int requested() {
        return requested;
    }

    synchronized List<BatchAck> acks() {
        return List.copyOf(acks);
    }

    synchronized boolean ended() {
        return ended;
    }

    synchronized @Nullable Throwable cause() {
        return cause;
    }

    @Override
    public synchronized boolean ready() {
        return ready;
    }

    @Override
    public void opened(long resumeAfterBatchSeq) {}

    @Override
    public synchronized void ack(BatchAck ack) {
        acks.add(ack);
    }

    @Override
    public synchronized void requestNext() {
        requested++;
    }

    @Override
    public synchronized void end(@Nullable Throwable reason) {
        if (ended) {
            throw new IllegalStateException("ended twice");
        }
        ended = true;
        cause = reason;
    }
}
