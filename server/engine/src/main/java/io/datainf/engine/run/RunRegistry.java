package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.store.DataDirectory;
import io.datainf.engine.store.RowReaders;
import io.datainf.engine.store.RunManifest;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All runs of one data directory, which it locks. Safe for any number of threads.
 *
 * <p>A run that cannot be opened, because a file of it is damaged, does not stop the others:
 * {@link #get} throws what was wrong with it, {@link #list} leaves it out, {@link #delete} removes it.
 */
public final class RunRegistry implements AutoCloseable {

    private static final Logger logger = LoggerFactory.getLogger(RunRegistry.class);

    // More of them would only make the disk seek.
    private static final int LOADER_THREADS = 2;
    private static final long MAINTENANCE_MILLIS = 1_000;

    /** What is known of one run. */
    private sealed interface Entry {

        /** It serves. */
        record Open(Run run) implements Entry {}

        /** It could not be opened. */
        record Refused(RuntimeException reason) implements Entry {}
    }

    private final MemoryBudget budget;
    private final MemoryBalance balance;
    private final RowReaders readers = new RowReaders();
    private final StoreEvents events;
    private final StoreOptions options;
    private final StoreHealth health = new StoreHealth();
    private final ExecutorService loaders = Executors.newFixedThreadPool(
            LOADER_THREADS,
            Thread.ofPlatform().name("datainf-load-", 0).daemon().factory());
    private final ScheduledExecutorService maintainer = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().name("datainf-maintain").daemon().factory());
    private final ConcurrentSkipListMap<String, Entry> entries = new ConcurrentSkipListMap<>();
    // Held while runs are created and deleted, I/O included: both are rare, and order matters between them.
    private final Object lock = new Object();
    // Held while runs are maintained, which takes long and is for one thread at a time.
    private final Object maintenance = new Object();

    @GuardedBy("lock")
    private final DataDirectory directory;

    @GuardedBy("lock")
    private boolean closed;

    private RunRegistry(DataDirectory directory, MemoryBudget budget, StoreEvents events, StoreOptions options) {
        this.directory = directory;
        this.budget = budget;
        this.balance = new MemoryBalance(budget);
        this.events = events;
        this.options = options;
    }

    /**
     * Locks the data directory, creating it if need be, and recovers its runs.
     *
     * @param memoryBudgetBytes most bytes of rows to hold in memory, over all runs; what is beyond is read from the files when it is asked for
     * @param events is told what the store does
     * @throws io.datainf.engine.store.DataDirectoryInUseException if another process holds the directory
     * @throws IOException if it cannot be read or written
     */
    public static RunRegistry open(Path dataDirectory, long memoryBudgetBytes, StoreEvents events) throws IOException {
        return open(dataDirectory, memoryBudgetBytes, events, StoreOptions.DEFAULT);
    }

    /** The same with other options. */
    public static RunRegistry open(Path dataDirectory, long memoryBudgetBytes, StoreEvents events, StoreOptions options)
            throws IOException {
        MemoryBudget budget = new MemoryBudget(memoryBudgetBytes);
        DataDirectory directory = DataDirectory.open(dataDirectory, options.files());
        RunRegistry registry = new RunRegistry(directory, budget, events, options);
        boolean opened = false;
        try {
            registry.openRuns();
            Future<?> ignored = registry.maintainer.scheduleWithFixedDelay(
                    registry::maintain, MAINTENANCE_MILLIS, MAINTENANCE_MILLIS, TimeUnit.MILLISECONDS);
            opened = true;
            return registry;
        } finally {
            if (!opened) {
                registry.close();
            }
        }
    }

    /**
     * Creates a run, durably, or returns the existing one of an equal definition.
     *
     * @throws RunDefinitionMismatchException if a run of this id has another definition; names the first difference
     */
    public Run create(RunDefinition definition) throws IOException {
        String name = definition.id().value();
        synchronized (lock) {
            requireOpen();
            Entry entry = entries.get(name);
            if (entry == null) {
                directory.createRun(definition.toManifest(Instant.now()));
                entry = open(name);
                entries.put(name, entry);
            }
            Run run = run(entry);
            run.definition().requireSame(definition);
            return run;
        }
    }

    /**
     * Returns a run.
     *
     * @throws UnknownRunException if there is none of this id
     * @throws io.datainf.engine.store.StoreFormatException if its files are damaged or of another version
     */
    public Run get(RunId id) {
        Entry entry = entries.get(id.value());
        if (entry == null) {
            throw new UnknownRunException(id);
        }
        return run(entry);
    }

    /** Returns at most {@code limit} runs in ascending order of id, those after {@code after}; "" begins at the first. */
    public List<Run> list(String after, int limit) {
        return entries.tailMap(after, false).values().stream()
                .filter(Entry.Open.class::isInstance)
                .map(RunRegistry::run)
                .limit(limit)
                .toList();
    }

    /**
     * Deletes a run with its files. Its writers end; open snapshots stay readable until closed.
     *
     * @throws UnknownRunException if there is none of this id
     */
    public void delete(RunId id) throws IOException {
        String name = id.value();
        synchronized (lock) {
            requireOpen();
            Entry entry = entries.get(name);
            if (entry == null) {
                throw new UnknownRunException(id);
            }
            // The log thread uses it for us while we hold the lock.
            DataDirectory held = directory;
            BooleanSupplier gone = () -> !Files.exists(held.runDirectory(name));
            try {
                if (entry instanceof Entry.Open(Run run)) {
                    run.removeFiles(() -> held.deleteRun(name), gone);
                } else {
                    held.deleteRun(name);
                }
            } finally {
                if (gone.getAsBoolean()) {
                    entries.remove(name);
                    if (entry instanceof Entry.Open(Run run)) {
                        run.deleted();
                    }
                }
            }
        }
    }

    /** Rows and bytes held over all runs, and what the log has done so far: for metrics. */
    public StorageFigures figures() {
        long runCount = 0;
        long rowCount = 0;
        long residentCount = 0;
        long damagedCount = 0;
        for (Entry entry : entries.values()) {
            runCount++;
            if (entry instanceof Entry.Open open) {
                rowCount += open.run().sampleCount();
                residentCount += open.run().residentCount();
                damagedCount += open.run().damagedCount();
            }
        }
        return new StorageFigures(
                runCount,
                rowCount,
                residentCount,
                damagedCount,
                budget.reservedBytes(),
                budget.limitBytes(),
                writeTrouble().isEmpty());
    }

    /** Why the data directory takes no writes; empty while it does. Mends itself when space or the disk returns. */
    public Optional<String> writeTrouble() {
        return health.trouble();
    }

    /** Forces what is pending, closes all runs and unlocks the directory. */
    @Override
    public void close() {
        // Compaction stops within a piece; what it leaves, the next start clears away. Not under the lock, which the
        // probe takes.
        maintainer.shutdownNow();
        maintainer.close();
        synchronized (lock) {
            if (closed) {
                return;
            }
            closed = true;
            for (Entry entry : entries.values()) {
                if (entry instanceof Entry.Open open) {
                    open.run().close();
                }
            }
            loaders.close();
            readers.close();
            directory.close();
        }
    }

    /** Does for all runs what can wait, and finds out whether a disk that refused writes takes them again. */
    void maintain() {
        if (health.trouble().isPresent()) {
            probe();
        }
        synchronized (maintenance) {
            for (Run run : openRunsNow()) {
                try {
                    run.maintain();
                } catch (RuntimeException | Error e) {
                    // An exception would end the schedule for all.
                    logger.error(
                            "run '{}': maintenance failed", run.definition().id(), e);
                }
            }
            balanceMemory(MemoryBalance.IDLE);
        }
    }

    /** Takes a step towards the runs that are asked having memory. */
    void balanceMemory(Duration idle) {
        synchronized (maintenance) {
            try {
                balance.step(openRunsNow(), idle);
            } catch (RuntimeException e) {
                logger.error("memory cannot be balanced", e);
            }
        }
    }

    /**
     * Takes the dead rows of all runs out of their files now.
     *
     * @throws IOException if some runs could not be compacted: a suppressed exception for each; the others were
     */
    public void compact() throws IOException {
        IOException failure = new IOException("not all runs could be compacted");
        synchronized (maintenance) {
            for (Entry entry : entries.values()) {
                try {
                    run(entry).compact();
                } catch (IOException | RuntimeException e) {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    private List<Run> openRunsNow() {
        return entries.values().stream()
                .filter(Entry.Open.class::isInstance)
                .map(RunRegistry::run)
                .toList();
    }

    private void probe() {
        try {
            synchronized (lock) {
                requireOpen();
                directory.probe();
            }
            health.worked();
        } catch (IOException | IllegalStateException e) {
            logger.debug("still no writes", e);
        }
    }

    private void openRuns() throws IOException {
        synchronized (lock) {
            for (String name : directory.runNames()) {
                if (RunId.valid(name)) {
                    entries.put(name, open(name));
                } else {
                    logger.warn("{} is not the directory of a run: ignored", directory.runDirectory(name));
                }
            }
        }
    }

    /** Opens one run, however long that takes: the place to make opening lazy. */
    @GuardedBy("lock")
    private Entry open(String name) {
        try {
            RunManifest manifest = directory.readManifest(name);
            Run run = Run.open(directory.runDirectory(name), manifest, budget, options, events, health, readers);
            loaders.execute(run::load);
            return new Entry.Open(run);
        } catch (RuntimeException e) {
            logger.error("run '{}' is not served", name, e);
            return new Entry.Refused(e);
        } catch (IOException e) {
            logger.error("run '{}' is not served", name, e);
            return new Entry.Refused(new UncheckedIOException(e));
        }
    }

    private static Run run(Entry entry) {
        return switch (entry) {
            case Entry.Open(Run run) -> run;
            case Entry.Refused(RuntimeException reason) -> throw reason;
        };
    }

    @GuardedBy("lock")
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("data directory %s is closed".formatted(directory));
        }
    }
}
