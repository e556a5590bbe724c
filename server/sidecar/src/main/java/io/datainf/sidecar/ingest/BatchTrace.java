package io.datainf.sidecar.ingest;

import io.datainf.engine.run.BatchProgress;
import io.datainf.engine.run.BatchReceipt;
import io.datainf.engine.run.RunId;
import io.datainf.sidecar.tracing.Operation;
import io.datainf.sidecar.tracing.Operation.Stage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** When a batch came how far: the span that is made of it once it has ended. */
final class BatchTrace implements BatchProgress {

    private static final long NOT_YET = Long.MIN_VALUE;

    private final long begunNanos;
    // Written on the thread that appends, and on the log thread before the receipt completes.
    private volatile long arrivedNanos = NOT_YET;
    private volatile long turnNanos = NOT_YET;
    private volatile long durableNanos = NOT_YET;

    BatchTrace(ArrivedBatch batch) {
        this.begunNanos = batch.begunNanos();
    }

    @Override
    public void arrived() {
        arrivedNanos = System.nanoTime();
    }

    @Override
    public void turnCame() {
        turnNanos = System.nanoTime();
    }

    @Override
    public void durable() {
        durableNanos = System.nanoTime();
    }

    /** The whole of it, ending now with the ack or the failure. */
    Operation operation(RunId run, String writerId, BatchOutcome outcome) {
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("datainf.run", run.value());
        attributes.put("datainf.writer", writerId);
        attributes.put("datainf.batch_seq", outcome.batch().batchSeq());
        attributes.put("datainf.samples", outcome.batch().sampleIds().length);
        attributes.put("datainf.bytes", outcome.batch().totalBytes());
        BatchReceipt receipt = outcome.receipt();
        if (receipt != null) {
            attributes.put("datainf.stored", receipt.storedCount());
            attributes.put("datainf.duplicates", receipt.duplicateCount());
            attributes.put("datainf.rejected", receipt.rejected().size());
            attributes.put("datainf.revision", receipt.revision());
        }
        long now = System.nanoTime();
        return new Operation(
                "ingest batch",
                begunNanos,
                now,
                attributes,
                stages(now),
                receipt != null
                        ? Optional.empty()
                        : Optional.of(outcome.cause().getClass().getSimpleName()));
    }

    /** Those that were reached; the last of them ends now. */
    private List<Stage> stages(long now) {
        List<Stage> stages = new ArrayList<>();
        String name = "receive";
        long since = begunNanos;
        for (Map.Entry<String, Long> next : List.of(
                Map.entry("turn", arrivedNanos), Map.entry("force", turnNanos), Map.entry("ack", durableNanos))) {
            if (next.getValue() == NOT_YET) {
                break;
            }
            stages.add(new Stage(name, since, next.getValue()));
            name = next.getKey();
            since = next.getValue();
        }
        stages.add(new Stage(name, since, now));
        return stages;
    }
}
