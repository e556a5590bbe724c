package io.datainf.engine.run;

import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.store.RecordLog;
import io.datainf.engine.store.RowFinder;
import io.datainf.engine.store.RowReaders;
import io.datainf.engine.store.RunManifest;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** One fine-tuning job whose gradients are held. Safe for any number of threads. */
public final class Run {

    /** A time that was not. */
    static final long NEVER = Long.MIN_VALUE;

    private static final int MAX_WRITER_ID_BYTES = 128;

    private final RunDefinition definition;
    private final Instant createTime;
    private final RowTable rows;
    private final GroupCommit commit;
    private final RunLog log;
    private final RecordLog records;
    private final RunCompaction compaction;
    private final RowLoader loader;
    // Held while files other than the one written to are changed.
    private final Object maintenance = new Object();
    private final RowAccess access;
    private final RowResidence residence;
    private volatile long lastAskedNanos = NEVER;
    private volatile boolean closed;

    private Run(
            RunDefinition definition,
            Instant createTime,
            RowTable rows,
            GroupCommit commit,
            RunLog log,
            RecordLog records,
            RowLoader loader,
            SnapshotLedger snapshots,
            RowAccess access,
            StoreEvents events,
            StoreOptions options) {
        this.definition = definition;
        this.createTime = createTime;
        this.rows = rows;
        this.commit = commit;
        this.log = log;
        this.records = records;
        this.loader = loader;
        this.access = access;
        this.residence = new RowResidence(rows, commit, snapshots, access);
        this.compaction = new RunCompaction(definition.id(), rows, commit, log, records, snapshots, events, options);
    }

    /**
     * Opens a run. Its rows are brought into memory by {@link #load}, or when someone asks for them.
     *
     * @throws io.datainf.engine.store.StoreFormatException if a segment is missing, of another version or of another run
     */
    static Run open(
            Path directory,
            RunManifest manifest,
            MemoryBudget budget,
            StoreOptions options,
            StoreEvents events,
            StoreHealth health,
            RowReaders readers)
            throws IOException {
        RunDefinition definition = RunDefinition.of(manifest);
        RowTable rows = new RowTable(definition, budget);
        boolean opened = false;
        try {
            StateRecovery recovery = new StateRecovery(rows);
            RecordLog records = RecordLog.open(directory, manifest, options, events, recovery);
            RunState recovered = recovery.builder().build(records.recoveredRevision());
            // Loader and access tell the commit of damage, and the commit waits for the loader.
            AtomicReference<GroupCommit> commits = new AtomicReference<>();
            Consumer<List<Integer>> damaged =
                    ordinals -> Objects.requireNonNull(commits.get()).damage(ordinals);
            SnapshotLedger snapshots = new SnapshotLedger();
            RowFinder finder = new RowFinder(directory, manifest, readers);
            RowAccess access = new RowAccess(definition.id(), rows, snapshots, finder, ordinals -> {
                ordinals.forEach(any -> events.damaged());
                damaged.accept(ordinals);
            });
            RowLoader loader = new RowLoader(
                    rows,
                    records,
                    recovered,
                    events,
                    resident -> Objects.requireNonNull(commits.get()).loaded(resident),
                    damaged);
            RowPlaces places = new RowPlaces(rows);
            GroupCommit commit = new GroupCommit(
                    definition.id(),
                    rows,
                    places,
                    recovery.builder(),
                    recovered,
                    records,
                    health,
                    loader::await,
                    access);
            commits.set(commit);
            opened = true;
            RunLog log = new RunLog(definition, commit, places, options);
            return new Run(
                    definition,
                    manifest.createTime(),
                    rows,
                    commit,
                    log,
                    records,
                    loader,
                    snapshots,
                    access,
                    events,
                    options);
        } finally {
            if (!opened) {
                rows.release();
            }
        }
    }

    /** Brings the rows into memory, if nobody has. */
    void load() {
        try {
            loader.await();
        } catch (CancellationException e) {
            // The run was closed meanwhile: nobody asks for its rows any more.
        }
    }

    /** How many samples cannot be read; see {@link #damagedSamples()}. */
    public int damagedCount() {
        return commit.state().damagedRows().cardinality();
    }

    /** Does what can wait: gives full segments their index, and takes dead rows out of them. One thread at a time. */
    void maintain() {
        synchronized (maintenance) {
            whileHeld(() -> {
                records.indexFullSegments();
                if (loader.done()) {
                    compaction.maintain();
                }
            });
        }
    }

    /** Takes all dead rows out of the files now, at any rate. On the thread of {@link #maintain}. */
    void compact() throws IOException {
        loader.await();
        synchronized (maintenance) {
            if (!closed) {
                compaction.compactAll();
            }
        }
    }

    /** How far deleted and replaced samples have left the files. */
    public Erasure erasure() {
        return ifHeld(compaction::erasure).orElseGet(() -> new Erasure(0, revision(), Optional.empty()));
    }

    /** Bytes of memory that a row takes. */
    long rowMemoryBytes() {
        return rows.gradients().strideBytes();
    }

    /** When the run was asked last, by {@link System#nanoTime}; {@link #NEVER} if it was not. */
    long lastAskedNanos() {
        return lastAskedNanos;
    }

    /** See {@link RowResidence#leavingBytes}. */
    long leavingBytes() {
        return residence.leavingBytes();
    }

    /** See {@link RowResidence#discard}. */
    void discardEvicted() {
        whileHeld(residence::discard);
    }

    /** See {@link RowResidence#evict}. */
    void evict(long bytes) {
        whileLoaded(() -> residence.evict(bytes));
    }

    /** See {@link RowResidence#load}. */
    void loadRows(long bytes) {
        whileLoaded(() -> residence.load(bytes));
    }

    private void whileLoaded(Runnable action) {
        if (loader.done()) {
            whileHeld(action);
        }
    }

    private void whileHeld(Runnable action) {
        if (!closed && rows.hold()) {
            try {
                action.run();
            } finally {
                rows.release();
            }
        }
    }

    private <T> Optional<T> ifHeld(Supplier<T> question) {
        AtomicReference<T> answer = new AtomicReference<>();
        whileHeld(() -> answer.set(question.get()));
        return Optional.ofNullable(answer.get());
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
        return commit.state().sampleCount();
    }

    /**
     * n and the sums of q of the newest durable state, from which its damping follows; empty if the run was deleted. Asks for no row, and
     * counts as no question. O(n L) after samples were deleted or replaced, otherwise O(1).
     */
    public Optional<BlockStatistics> statistics() {
        return ifHeld(() -> commit.state().statistics().get());
    }

    /** Samples that are in memory; queries read the others from the files. */
    public long residentCount() {
        return commit.state().residentCount();
    }

    /** What is known so far to be unreadable: complete when all rows were read. */
    public DamagedSamples damagedSamples() {
        return ifHeld(() -> DamagedSamples.of(rows, commit.state())).orElseGet(() -> new DamagedSamples(0, List.of()));
    }

    /**
     * Returns the newest durable state, once all rows are in memory that are to be. The caller closes it.
     *
     * @throws UnknownRunException if the run was deleted
     */
    public RunSnapshot snapshot() {
        if (closed || !rows.hold()) {
            log.requireOpen();
            throw new UnknownRunException(definition.id());
        }
        boolean taken = false;
        try {
            loader.await();
            lastAskedNanos = System.nanoTime();
            RowView view = access.open(commit::state);
            try {
                RunSnapshot snapshot = new RunSnapshot(definition, rows, view);
                taken = true;
                return snapshot;
            } finally {
                if (!taken) {
                    view.close();
                }
            }
        } catch (CancellationException e) {
            log.requireOpen();
            throw new UnknownRunException(definition.id());
        } finally {
            if (!taken) {
                rows.release();
            }
        }
    }

    /**
     * Deletes samples by id, durably, all at once. Ids that the run does not hold are counted. Deleted samples come back only
     * in batches that allow it.
     *
     * <p>The stage completes on the run's log thread: dependents must not block, and must not close or delete the run. It fails,
     * with nothing deleted, with {@link UnknownRunException} when the run was deleted and with {@link IOException} when the
     * store fails.
     */
    public CompletionStage<DeletionReceipt> deleteSamples(long[] sampleIds) {
        PendingDeletion deletion = new PendingDeletion(sampleIds.clone(), new CompletableFuture<>());
        log.delete(deletion);
        return deletion.receipt();
    }

    /**
     * Opens a writer. An open writer of the same id is superseded.
     *
     * @param writerId 1 to 128 bytes
     * @throws UnknownRunException if the run was deleted
     */
    public RunWriter openWriter(String writerId) {
        return openWriter(writerId, WriterStream.NEWEST);
    }

    /**
     * Opens a writer. An open writer of the same id is superseded, unless it is a later stream of the same instance.
     *
     * @param writerId 1 to 128 bytes
     * @throws UnknownRunException if the run was deleted
     * @throws SupersededWriterException if a later stream of the same instance is open
     */
    public RunWriter openWriter(String writerId, WriterStream stream) {
        int bytes = writerId.getBytes(StandardCharsets.UTF_8).length;
        if (bytes < 1 || bytes > MAX_WRITER_ID_BYTES) {
            throw new IllegalArgumentException("writer_id is '%s' with %d bytes: expected 1 to %d"
                    .formatted(writerId, bytes, MAX_WRITER_ID_BYTES));
        }
        return log.openWriter(writerId, stream);
    }

    /** Commits what waits, then lets the rows go. */
    void close() {
        closed = true;
        loader.cancel();
        log.stop(new IOException("the data directory of run '%s' is closed".formatted(definition.id())), true);
        rows.release();
    }

    /**
     * Removes the files while nothing else touches them; waiting batches fail. If the files stay, so does the run; otherwise
     * {@link #deleted} must follow.
     *
     * @param removal removes the files
     * @param gone whether they are gone
     */
    void removeFiles(LogTask.Action removal, BooleanSupplier gone) throws IOException {
        compaction.pause(true);
        try {
            synchronized (maintenance) {
                try {
                    log.remove(removal, gone);
                } finally {
                    closed = gone.getAsBoolean();
                }
            }
        } finally {
            compaction.pause(closed);
        }
    }

    /** Ends the writers and lets the rows go, once nobody finds the run any more. */
    void deleted() {
        loader.cancel();
        log.stop(new UnknownRunException(definition.id()), false).forEach(RunWriter::end);
        rows.release();
    }
}
