package io.datainf.engine.run;

import io.datainf.engine.store.RecordLog;
import io.datainf.engine.store.RecoveredBatch;
import io.datainf.engine.store.RunManifest;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;

/** One fine-tuning job whose gradients are held. Safe for any number of threads. */
public final class Run {

    private static final int MAX_WRITER_ID_BYTES = 128;

    private final RunDefinition definition;
    private final Instant createTime;
    private final RowTable rows;
    private final GroupCommit commit;
    private final RunLog log;
    private volatile boolean closed;

    private Run(RunDefinition definition, Instant createTime, RowTable rows, GroupCommit commit, RunLog log) {
        this.definition = definition;
        this.createTime = createTime;
        this.rows = rows;
        this.commit = commit;
        this.log = log;
    }

    /**
     * Opens a run and loads its rows.
     *
     * @throws io.datainf.engine.store.StoreFormatException if a file is damaged or of another version
     * @throws MemoryBudgetException if its rows do not fit
     */
    static Run open(Path directory, RunManifest manifest, MemoryBudget budget, StoreOptions options, StoreEvents events)
            throws IOException {
        RunDefinition definition = RunDefinition.of(manifest);
        RowTable rows = new RowTable(definition, budget);
        boolean opened = false;
        try {
            Recovery recovery = new Recovery(rows);
            RecordLog log = RecordLog.open(directory, manifest, options, events, recovery);
            GroupCommit commit =
                    new GroupCommit(rows, recovery.builder, recovery.builder.build(recovery.revision), log);
            opened = true;
            return new Run(definition, manifest.createTime(), rows, commit, new RunLog(definition, commit, options));
        } finally {
            if (!opened) {
                rows.release();
            }
        }
    }

    /** What the run is. */
    public RunDefinition definition() {
        return definition;
    }

    /** When it was created. */
    public Instant createTime() {
        return createTime;
    }

    /** Steps so far: one for each sample stored, replaced or deleted, durable ones only. */
    public long revision() {
        return commit.state().revision();
    }

    /** Samples held, n. */
    public long sampleCount() {
        return commit.state().statistics().sampleCount();
    }

    /**
     * Returns the newest durable state. The caller closes it.
     *
     * @throws UnknownRunException if the run was deleted
     */
    public RunSnapshot snapshot() {
        if (closed || !rows.hold()) {
            log.requireOpen();
            throw new UnknownRunException(definition.id());
        }
        return new RunSnapshot(definition, rows, commit.state());
    }

    /**
     * Opens a writer. An open writer of the same id is superseded.
     *
     * @param writerId 1 to 128 bytes
     * @throws UnknownRunException if the run was deleted
     */
    public RunWriter openWriter(String writerId) {
        int bytes = writerId.getBytes(StandardCharsets.UTF_8).length;
        if (bytes < 1 || bytes > MAX_WRITER_ID_BYTES) {
            throw new IllegalArgumentException("writer_id is '%s' with %d bytes: expected 1 to %d"
                    .formatted(writerId, bytes, MAX_WRITER_ID_BYTES));
        }
        return log.openWriter(writerId);
    }

    /** Commits what waits, then lets the rows go. */
    void close() {
        closed = true;
        log.stop(new IOException("the data directory of run '%s' is closed".formatted(definition.id())), true);
        rows.release();
    }

    /** Ends the writers, whose waiting batches fail, and lets the rows go. The files are gone already. */
    void deleted() {
        closed = true;
        log.stop(new UnknownRunException(definition.id()), false).forEach(RunWriter::end);
        rows.release();
    }

    /** Puts the batches of the log into memory again. */
    private static final class Recovery implements RecoveredBatch.Visitor {

        private final RowTable rows;
        private final RunStateBuilder builder;
        private final double[] q;
        private long revision;

        Recovery(RowTable rows) {
            this.rows = rows;
            this.builder = new RunStateBuilder(rows);
            this.q = new double[rows.squaredNorms().blockCount()];
        }

        @Override
        public void visit(RecoveredBatch batch) throws IOException {
            rows.reserve(batch.storedCount());
            for (int i = 0; i < batch.storedCount(); i++) {
                batch.readRow(i, rows.nextRow());
                batch.squaredNorms(i, q);
                builder.append(batch.sampleId(i), q);
            }
            revision = batch.revision();
        }
    }
}
