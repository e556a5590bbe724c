package io.datainf.engine.run;

import io.datainf.engine.store.BatchRecord;
import io.datainf.engine.store.RecordLog;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Takes a run from one durable state to the next: a group of batches is resolved, logged and forced, and only then shows, all
 * of it at once. {@link #state} and {@link #durableBatchSeq} from any thread, the rest from the log thread.
 */
final class GroupCommit {

    /** What becomes of one batch. */
    private sealed interface Outcome {

        /** It is logged. */
        record Logged(BatchRecord record) implements Outcome {}

        /** It came before. */
        record Repeated() implements Outcome {}

        /** It is not applied. */
        record Refused(Throwable cause) implements Outcome {}
    }

    private final RowTable rows;
    private final RunStateBuilder builder;
    private final RecordLog log;
    private final Map<String, Long> durableBatchSeqs;
    private final GroupResolver resolver;
    private final double[] q;
    private volatile RunState state;

    /** Goes on from what was recovered. */
    GroupCommit(RowTable rows, RunStateBuilder builder, RunState recovered, RecordLog log) {
        this.rows = rows;
        this.builder = builder;
        this.log = log;
        this.durableBatchSeqs = new ConcurrentHashMap<>(log.recoveredBatchSeqs());
        this.resolver = new GroupResolver(rows, durableBatchSeqs);
        this.q = new double[rows.squaredNorms().blockCount()];
        this.state = recovered;
    }

    /** The newest durable state. */
    RunState state() {
        return state;
    }

    /** Highest durable batch number of a writer; 0 if it has none. */
    long durableBatchSeq(String writerId) {
        return durableBatchSeqs.getOrDefault(writerId, 0L);
    }

    /**
     * Commits a group and completes its receipts in order.
     *
     * @return why the group is not durable, or null if it is
     */
    @Nullable
    IOException commit(List<PendingBatch> group) {
        List<Outcome> outcomes = new ArrayList<>(group.size());
        List<BatchRecord> records = new ArrayList<>(group.size());
        try {
            resolve(group, outcomes, records);
            if (!records.isEmpty()) {
                log.write(records);
            }
        } catch (IOException | RuntimeException | Error e) {
            rows.unreserve(resolver.newRowCount());
            IOException failure =
                    e instanceof IOException io ? io : new IOException("the batches could not be logged", e);
            fail(group, outcomes, failure);
            return failure;
        }
        try {
            publish(group, outcomes);
        } catch (RuntimeException | Error e) {
            // Durable, and yet not in memory: only a restart brings the two together.
            fail(group, outcomes, new IOException("the batches are stored, but do not show before a restart", e));
            throw e;
        }
        complete(group, outcomes);
        return null;
    }

    /** The last writer has gone: closes the log until the next write. */
    void release() {
        log.release();
    }

    private void resolve(List<PendingBatch> group, List<Outcome> outcomes, List<BatchRecord> records) {
        resolver.begin(state.revision());
        for (PendingBatch batch : group) {
            Outcome outcome = resolve(batch);
            outcomes.add(outcome);
            if (outcome instanceof Outcome.Logged logged) {
                records.add(logged.record());
            }
        }
    }

    private Outcome resolve(PendingBatch batch) {
        if (batch.writer().superseded()) {
            return new Outcome.Refused(
                    new SupersededWriterException(batch.writer().id()));
        }
        if (resolver.repeated(batch)) {
            return new Outcome.Repeated();
        }
        try {
            return new Outcome.Logged(resolver.resolve(batch));
        } catch (RuntimeException e) {
            return new Outcome.Refused(e);
        }
    }

    private void publish(List<PendingBatch> group, List<Outcome> outcomes) {
        long revision = state.revision();
        for (int i = 0; i < group.size(); i++) {
            if (outcomes.get(i) instanceof Outcome.Logged logged) {
                append(logged.record());
                revision = logged.record().revision();
                durableBatchSeqs.put(logged.record().writerId(), logged.record().batchSeq());
            }
        }
        state = builder.build(revision);
    }

    private void append(BatchRecord record) {
        long rowBytes = rows.gradients().rowBytes();
        for (int sample : record.stored()) {
            MemorySegment.copy(record.samples().rows(), sample * rowBytes, rows.nextRow(), 0, rowBytes);
            System.arraycopy(record.samples().squaredNorms(), sample * q.length, q, 0, q.length);
            builder.append(record.samples().sampleIds()[sample], q);
        }
    }

    private void complete(List<PendingBatch> group, List<Outcome> outcomes) {
        for (int i = 0; i < group.size(); i++) {
            PendingBatch batch = group.get(i);
            switch (outcomes.get(i)) {
                case Outcome.Logged(BatchRecord record) ->
                    batch.complete(new BatchReceipt(
                            record.batchSeq(),
                            record.revision(),
                            record.stored().length,
                            batch.accepted().length - record.stored().length,
                            batch.rejected()));
                case Outcome.Repeated() ->
                    batch.complete(new BatchReceipt(batch.batchSeq(), state.revision(), 0, 0, List.of()));
                case Outcome.Refused(Throwable cause) -> batch.fail(cause);
            }
        }
    }

    /** Completes a group that is not durable; batches that were refused for a reason of their own keep it. */
    private static void fail(List<PendingBatch> group, List<Outcome> outcomes, IOException failure) {
        for (int i = 0; i < group.size(); i++) {
            boolean refused = i < outcomes.size() && outcomes.get(i) instanceof Outcome.Refused;
            group.get(i).fail(refused ? ((Outcome.Refused) outcomes.get(i)).cause() : failure);
        }
    }
}
