package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.store.BatchRecord;
import io.datainf.engine.store.DeletionRecord;
import io.datainf.engine.store.LogRecord;
import io.datainf.engine.store.RecordLog;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes a run from one durable state to the next: a group of batches or deletions is resolved, logged and forced, and only
 * then shows, all of it at once. {@link #state}, {@link #durableBatchSeq} and {@link #damage} from any thread, the rest from
 * the log thread.
 */
final class GroupCommit {

    /** What becomes of one operation. */
    private sealed interface Outcome {

        /** It is logged; of its rows, the first {@code residentCount} are in memory. */
        record Logged(LogRecord entry, int residentCount) implements Outcome {}

        /** It changes nothing: it came before, or there was nothing to delete. */
        record Unchanged() implements Outcome {}

        /** It is not applied. */
        record Refused(Throwable cause) implements Outcome {}
    }

    private static final Logger logger = LoggerFactory.getLogger(GroupCommit.class);

    private final RunId runId;
    private final StoreHealth health;
    private final RowTable rows;
    private final RowPlaces places;
    // Changes under the lock; the log thread, which alone adds rows, reads without.
    private final RunStateBuilder builder;
    private final RecordLog log;
    private final Map<String, Long> durableBatchSeqs;
    private final GroupResolver resolver;
    private final double[] q;
    private final Object lock = new Object();

    private volatile RunState state;
    private volatile boolean partlyAbsent;

    /**
     * Goes on from what was recovered.
     *
     * @param awaitRows returns when those rows are in memory that are to be
     */
    GroupCommit(
            RunId runId,
            RowTable rows,
            RowPlaces places,
            RunStateBuilder builder,
            RunState recovered,
            RecordLog log,
            StoreHealth health,
            Runnable awaitRows,
            RowAccess access) {
        this.runId = runId;
        this.health = health;
        this.rows = rows;
        this.places = places;
        this.builder = builder;
        this.log = log;
        this.durableBatchSeqs = new ConcurrentHashMap<>(log.recoveredBatchSeqs());
        this.resolver =
                new GroupResolver(runId, rows, builder, durableBatchSeqs, awaitRows, () -> access.open(this::state));
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

    /** Takes rows that cannot be read out of the state. The revision stays: nothing was asked for. */
    void damage(List<Integer> ordinals) {
        synchronized (lock) {
            ordinals.forEach(builder::damage);
            state = builder.build(state.revision());
        }
    }

    /** Notes which rows are in memory, or not any more. What is out already shows the old ones. */
    void setAbsent(BitSet ordinals, boolean absent) {
        synchronized (lock) {
            partlyAbsent |= absent;
            state = builder.setAbsent(ordinals, absent, state);
        }
    }

    /** Notes which of the recovered rows are in memory. */
    void loaded(BitSet ordinals) {
        synchronized (lock) {
            state = builder.setAbsent(ordinals, false, state);
            partlyAbsent |= state.residentCount() < state.sampleCount();
        }
    }

    /** Whether rows that count were ever not in memory, so that snapshots may read files. */
    boolean partlyAbsent() {
        return partlyAbsent;
    }

    /**
     * Commits a group and completes its receipts in order.
     *
     * @param takeWaiting takes what waits behind the group, to fail with it if it is not durable
     */
    void commit(List<PendingOperation> group, Supplier<List<PendingOperation>> takeWaiting) {
        try (RowCopy copy = new RowCopy(runId, rows, places)) {
            commit(group, copy, takeWaiting);
        }
    }

    private void commit(List<PendingOperation> group, RowCopy copy, Supplier<List<PendingOperation>> takeWaiting) {
        List<Outcome> outcomes = new ArrayList<>(group.size());
        try {
            write(group, outcomes, copy);
        } catch (IOException | RuntimeException | Error e) {
            IOException failure =
                    e instanceof IOException io ? io : new IOException("the batches could not be logged", e);
            health.failed(runId, failure);
            logger.error("run '{}': {} batches or deletions failed", runId, group.size(), failure);
            List<PendingOperation> waiting = takeWaiting.get();
            fail(group, outcomes, failure);
            waiting.forEach(operation -> operation.fail(failure));
            return;
        }
        List<Integer> replacedCounts;
        try {
            copy.await();
            replacedCounts = publish(outcomes);
        } catch (RuntimeException | Error e) {
            // Durable, and yet not in memory: only a restart brings the two together.
            fail(group, outcomes, new IOException("the batches are stored, but do not show before a restart", e));
            throw e;
        }
        complete(group, outcomes, replacedCounts);
    }

    /** Makes a group durable while its rows are brought to their places. */
    private void write(List<PendingOperation> group, List<Outcome> outcomes, RowCopy copy) throws IOException {
        List<LogRecord> records = new ArrayList<>(group.size());
        boolean durable = false;
        tell(group, BatchProgress::turnCame);
        try {
            resolve(group, outcomes, records, copy);
            copy.begin();
            if (!records.isEmpty()) {
                log.write(records);
                health.worked();
            }
            tell(group, BatchProgress::durable);
            durable = true;
        } finally {
            if (!durable) {
                copy.abandon();
            }
        }
    }

    private static void tell(List<PendingOperation> group, Consumer<BatchProgress> what) {
        for (PendingOperation operation : group) {
            if (operation instanceof PendingBatch batch) {
                what.accept(batch.progress());
            }
        }
    }

    /** The last writer has gone: closes the log until the next write. */
    void release() {
        log.release();
    }

    /** Leaves the current segment to compaction. */
    void startNewSegment() throws IOException {
        log.startNewSegment();
    }

    private void resolve(List<PendingOperation> group, List<Outcome> outcomes, List<LogRecord> records, RowCopy copy) {
        resolver.begin(state.revision());
        try {
            for (PendingOperation operation : group) {
                Outcome outcome = resolve(operation, copy);
                outcomes.add(outcome);
                if (outcome instanceof Outcome.Logged logged) {
                    records.add(logged.entry());
                }
            }
        } finally {
            resolver.end();
        }
    }

    private Outcome resolve(PendingOperation operation, RowCopy copy) {
        try {
            return switch (operation) {
                case PendingBatch batch -> {
                    if (batch.writer().superseded()) {
                        throw new SupersededWriterException(batch.writer().id());
                    }
                    if (resolver.repeated(batch)) {
                        yield new Outcome.Unchanged();
                    }
                    BatchRecord resolved = resolver.resolve(batch);
                    RowCopy.Part part = copy.add(resolved, batch.place(), resolver.takeClaimed());
                    yield new Outcome.Logged(part.entry(), part.residentCount());
                }
                case PendingDeletion deletion -> {
                    DeletionRecord resolved = resolver.resolve(deletion);
                    yield resolved.sampleIds().length == 0 ? new Outcome.Unchanged() : new Outcome.Logged(resolved, 0);
                }
            };
        } catch (RuntimeException e) {
            return new Outcome.Refused(e);
        }
    }

    /** Applies what is durable; returns how many samples each operation replaced. */
    private List<Integer> publish(List<Outcome> outcomes) {
        List<Integer> replacedCounts = new ArrayList<>(outcomes.size());
        synchronized (lock) {
            long revision = state.revision();
            for (Outcome outcome : outcomes) {
                int replacedCount = 0;
                if (outcome instanceof Outcome.Logged(LogRecord entry, int residentCount)) {
                    replacedCount = apply(entry, residentCount);
                    revision = entry.revision();
                }
                replacedCounts.add(replacedCount);
            }
            state = builder.build(revision);
        }
        return replacedCounts;
    }

    @GuardedBy("lock")
    private int apply(LogRecord entry, int residentCount) {
        return switch (entry) {
            case BatchRecord batch -> {
                int replacedCount = append(batch, residentCount);
                durableBatchSeqs.put(batch.writerId(), batch.batchSeq());
                yield replacedCount;
            }
            case DeletionRecord deletion -> {
                for (long sampleId : deletion.sampleIds()) {
                    builder.delete(sampleId, deletion.revision());
                }
                yield 0;
            }
        };
    }

    @GuardedBy("lock")
    private int append(BatchRecord batch, int residentCount) {
        int firstOrdinal = rows.rowCount();
        int replacedCount = 0;
        for (int sample : batch.stored()) {
            boolean resident = rows.rowCount() - firstOrdinal < residentCount;
            partlyAbsent |= !resident; // where the row lies in the log, it stays
            System.arraycopy(batch.samples().squaredNorms(), sample * q.length, q, 0, q.length);
            boolean replaces = builder.append(
                    batch.samples().sampleIds()[sample],
                    q,
                    batch.samples().checksums()[sample],
                    batch.samples().step(sample),
                    batch.revision(),
                    resident);
            replacedCount += replaces ? 1 : 0;
        }
        return replacedCount;
    }

    private void complete(List<PendingOperation> group, List<Outcome> outcomes, List<Integer> replacedCounts) {
        for (int i = 0; i < group.size(); i++) {
            if (outcomes.get(i) instanceof Outcome.Refused(Throwable cause)) {
                group.get(i).fail(cause);
                continue;
            }
            switch (group.get(i)) {
                case PendingBatch batch -> batch.complete(receipt(batch, outcomes.get(i), replacedCounts.get(i)));
                case PendingDeletion deletion -> deletion.receipt().complete(receipt(deletion, outcomes.get(i)));
            }
        }
    }

    private BatchReceipt receipt(PendingBatch batch, Outcome outcome, int replacedCount) {
        if (outcome instanceof Outcome.Logged logged && logged.entry() instanceof BatchRecord stored) {
            return new BatchReceipt(
                    stored.batchSeq(),
                    stored.revision(),
                    stored.stored().length,
                    replacedCount,
                    batch.content().accepted().length - stored.stored().length,
                    batch.content().rejected());
        }
        return new BatchReceipt(batch.batchSeq(), state.revision(), 0, 0, 0, List.of());
    }

    private DeletionReceipt receipt(PendingDeletion deletion, Outcome outcome) {
        int asked = deletion.sampleIds().length;
        if (outcome instanceof Outcome.Logged logged && logged.entry() instanceof DeletionRecord deleted) {
            int count = deleted.sampleIds().length;
            return new DeletionReceipt(count, asked - count, deleted.revision());
        }
        return new DeletionReceipt(0, asked, state.revision());
    }

    /** Completes a group that is not durable; what was refused for a reason of its own keeps it. */
    private static void fail(List<PendingOperation> group, List<Outcome> outcomes, IOException failure) {
        for (int i = 0; i < group.size(); i++) {
            boolean refused = i < outcomes.size() && outcomes.get(i) instanceof Outcome.Refused;
            group.get(i).fail(refused ? ((Outcome.Refused) outcomes.get(i)).cause() : failure);
        }
    }
}
