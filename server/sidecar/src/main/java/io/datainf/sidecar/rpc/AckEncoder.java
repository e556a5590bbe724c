package io.datainf.sidecar.rpc;

import io.datainf.engine.run.BatchReceipt;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.RejectedSample;
import io.datainf.proto.v1.RejectionReason;
import io.datainf.sidecar.ingest.BatchAck;
import java.util.List;
import java.util.function.Consumer;

/** Encodes the acks of one stream, in messages that every client takes. */
final class AckEncoder {

    // A rejection has a block name of at most 512 bytes twice and some words.
    private static final int MAX_REJECTIONS_PER_MESSAGE = 1_000;

    private long durableBatchSeq;
    private long revision;

    /** Sets what is durable before the first ack. */
    void startAfter(long batchSeq) {
        durableBatchSeq = batchSeq;
    }

    /** Passes the ack on, in several messages if it is long. Only the last of them makes the batches durable. */
    void encode(BatchAck ack, Consumer<IngestResponse> out) {
        List<BatchReceipt.RejectedSample> rejected = ack.rejected();
        int next = 0;
        while (rejected.size() - next > MAX_REJECTIONS_PER_MESSAGE) {
            int end = next + MAX_REJECTIONS_PER_MESSAGE;
            out.accept(message(durableBatchSeq, revision, 0, 0, rejected.subList(next, end)));
            next = end;
        }
        durableBatchSeq = ack.durableBatchSeq();
        revision = ack.revision();
        List<BatchReceipt.RejectedSample> rest = rejected.subList(next, rejected.size());
        out.accept(message(durableBatchSeq, revision, ack.replacedCount(), ack.duplicateCount(), rest));
    }

    private static IngestResponse message(
            long durable, long revision, long replaced, long duplicates, List<BatchReceipt.RejectedSample> rejected) {
        Ack.Builder ack = Ack.newBuilder()
                .setDurableBatchSeq(durable)
                .setRevision(revision)
                .setReplacedCount(replaced)
                .setDuplicateCount(duplicates);
        for (BatchReceipt.RejectedSample sample : rejected) {
            ack.addRejectedSamples(RejectedSample.newBuilder()
                    .setSampleId(sample.sampleId())
                    .setBlockName(sample.blockName())
                    .setReason(reason(sample.reason()))
                    .setDetail(sample.detail()));
        }
        return IngestResponse.newBuilder().setAck(ack).build();
    }

    private static RejectionReason reason(BatchReceipt.Reason reason) {
        return switch (reason) {
            case NAN -> RejectionReason.REJECTION_REASON_NAN;
            case INFINITE -> RejectionReason.REJECTION_REASON_INFINITE;
        };
    }
}
