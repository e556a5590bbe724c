package io.datainf.client;

import io.datainf.proto.v1.Ack;
import java.util.ArrayList;
import java.util.List;

/** What a writer counts. Confined to whoever holds the outbox's lock. */
final class WriterCounts {
    private final List<RejectedSample> rejectedSamples = new ArrayList<>();
    private long added;
    private long addedBytes;
    private long acked;
    private long ackedBytes;
    private long replaced;
    private long duplicate;
    private long rejected;
    private long dropped;
    private long durableSequence;
    private long revision;
    private long streams;
    private long recoveredBatches;

    void added(int count, long bytes) {
        added += count;
        addedBytes += bytes;
    }

    /** The server has these samples of a batch for good. */
    void acked(PendingBatch batch) {
        acked += batch.rows();
        ackedBytes += batch.payloadBytes();
    }

    void recovered(PendingBatch batch) {
        acked(batch);
        recoveredBatches++;
    }

    void dropped(int count) {
        dropped += count;
    }

    void durable(long sequence, long revisionThen) {
        durableSequence = Math.max(durableSequence, sequence);
        revision = Math.max(revision, revisionThen);
    }

    void streamOpened() {
        streams++;
    }

    /** What an ack says about its samples. */
    void take(Ack ack) {
        replaced += ack.getReplacedCount();
        duplicate += ack.getDuplicateCount();
        rejected += ack.getRejectedSamplesCount();
        int room = WriterProgress.REJECTED_SAMPLES_KEPT - rejectedSamples.size();
        for (var sample : ack.getRejectedSamplesList().subList(0, Math.min(room, ack.getRejectedSamplesCount()))) {
            rejectedSamples.add(RejectedSample.of(sample));
        }
    }

    long droppedCount() {
        return dropped;
    }

    long rejectedCount() {
        return rejected;
    }

    long bufferedCount() {
        return added - acked;
    }

    long bufferedBytes() {
        return addedBytes - ackedBytes;
    }

    long durableSequence() {
        return durableSequence;
    }

    long revision() {
        return revision;
    }

    long streamCount() {
        return streams;
    }

    WriterProgress progress() {
        return new WriterProgress(
                added,
                addedBytes,
                acked,
                replaced,
                duplicate,
                rejected,
                dropped,
                bufferedCount(),
                bufferedBytes(),
                durableSequence,
                revision,
                Math.max(0, streams - 1),
                recoveredBatches,
                rejectedSamples);
    }
}
