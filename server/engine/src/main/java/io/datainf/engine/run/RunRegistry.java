package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.store.DataDirectory;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.RowReaders;
import io.datainf.engine.store.RunManifest;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
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
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * All runs of one data directory, which it locks. Safe for any number of threads.
 *
 * <p>A run is opened when it is first asked for. One that cannot be, because a file of it is damaged, does not stop the others:
 * {@link #get} throws what was wrong with it, {@link #list} leaves it out, {@link #delete} removes it.
 */
public final class RunRegistry implements AutoCloseable {

    private static final Logger logger = LoggerFactory.getLogger(RunRegistry.class);

    // More of them would only make the disk seek.
    private static final int LOADER_THREADS = 2;
    private static final int MAX_OPENING = 4;
    private static final long MAINTENANCE_MILLIS = 1_000;

    /** Key of a run's name in the log's context. */
    static final String LOG_TAG = "run";

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
    private final ConcurrentSkipListMap<String, RunSlot> slots = new ConcurrentSkipListMap<>();
    private final Semaphore opening = new Semaphore(MAX_OPENING);
    private final long startNanos = System.nanoTime();
    // Held while runs are created and deleted, I/O included: both are rare, and order matters between them.
    private final Object lock = new Object();
    // Held while runs are maintained, which takes long and is for one thread at a time.
    private final Object maintenance = new Object();

    // Changed under the lock.
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
     * Locks the data directory, creating it if need be, and lists its runs, which are recovered one by one when they are asked for.
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
        MemoryBudget budget = new MemoryBudget(memoryBudgetBytes, options.durability() != Durability.NONE);
        DataDirectory directory = DataDirectory.open(dataDirectory, options.files(), options.durability());
        RunRegistry registry = new RunRegistry(directory, budget, events, options);
        boolean opened = false;
        try {
            registry.listRuns();
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
        RunSlot slot;
        synchronized (lock) {
            requireOpen();
            slot = slots.get(name);
            if (slot == null) {
                directory.createRun(definition.toManifest(Instant.now()));
                slot = new RunSlot(definition.id(), this::open);
                slots.put(name, slot);
            }
        }
        Run run = slot.get();
        run.definition().requireSame(definition);
        return run;
    }

    /**
     * Returns a run; reads its log first if nobody has asked for it before.
     *
     * @throws UnknownRunException if there is none of this id
     * @throws io.datainf.engine.store.StoreFormatException if its files are damaged or of another version
     * @throws java.io.UncheckedIOException if they cannot be read now
     */
    public Run get(RunId id) {
        RunSlot slot = slots.get(id.value());
        if (slot == null) {
            throw new UnknownRunException(id);
        }
        return slot.get();
    }

    /**
     * Returns at most {@code limit} runs in ascending order of id, those after {@code after}; "" begins at the first. Opens what it
     * returns.
     */
    public List<Run> list(String after, int limit) {
        return slots.tailMap(after, false).values().stream()
                .flatMap(slot -> slot.ifSound().stream())
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
            RunSlot slot = slots.get(name);
            if (slot == null) {
                throw new UnknownRunException(id);
            }
            BooleanSupplier gone = () -> !Files.exists(directory.runDirectory(name));
            try {
                slot.removeFiles(() -> directory.deleteRun(name), gone);
            } finally {
                if (gone.getAsBoolean()) {
                    slots.remove(name);
                    slot.deleted();
                }
            }
        }
    }

    /** Whether there is a run of this id. Does not open it. */
    public boolean exists(RunId id) {
        return slots.containsKey(id.value());
    }

    /** Number of runs with such a name. Opens none. */
    public long count(Predicate<String> names) {
        return slots.keySet().stream().filter(names).count();
    }

    /** Size of the files of runs with such a name, bytes. Opens none; asks the file system for every file. */
    public long diskBytes(Predicate<String> names) throws IOException {
        long bytes = 0;
        for (String name : slots.keySet()) {
            bytes += names.test(name) ? directory.runBytes(name) : 0;
        }
        return bytes;
    }

    /** Rows and bytes held over all open runs: for metrics. */
    public StorageFigures figures() {
        long rowCount = 0;
        long residentCount = 0;
        long damagedCount = 0;
        List<Run> open = openRuns();
        for (Run run : open) {
            rowCount += run.sampleCount();
            residentCount += run.residentCount();
            damagedCount += run.damagedCount();
        }
        return new StorageFigures(
                slots.size(),
                open.size(),
                rowCount,
                residentCount,
                damagedCount,
                budget.reservedBytes(),
                budget.memory().spareBytes(),
                budget.limitBytes(),
                writeTrouble().isEmpty());
    }

    /** What is worst in the gradients of open runs: for metrics. */
    public GradientHealth gradientHealth() {
        return openRuns().stream()
                .flatMap(run ->
                        run.statistics().stream().map(statistics -> GradientHealth.of(run.definition(), statistics)))
                .reduce(GradientHealth.NONE, GradientHealth::worst);
    }

    /** The runs that have been asked for, in ascending order of id. Opens none. */
    public List<Run> openRuns() {
        return slots.values().stream().flatMap(slot -> slot.ifOpen().stream()).toList();
    }

    /** The runs that nobody has asked for so far, or that cannot be opened, in ascending order of id. Opens none. */
    public List<RunId> unopenedRuns() {
        return slots.values().stream()
                .filter(slot -> slot.ifOpen().isEmpty())
                .map(RunSlot::id)
                .toList();
    }

    /** Bytes of the files of a run, open or not; 0 if there are none. */
    public long diskBytes(RunId id) throws IOException {
        return directory.runBytes(id.value());
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
            slots.values().forEach(RunSlot::close);
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
            try {
                openOverdue();
            } catch (RuntimeException | Error e) {
                // An exception would end the schedule for all.
                logger.error("a run cannot be opened", e);
            }
            for (Run run : openRuns()) {
                try {
                    tagged(run, Run::maintain);
                } catch (RuntimeException | Error e) {
                    logger.error(
                            "run '{}': maintenance failed", run.definition().id(), e);
                }
            }
            balanceMemory(MemoryBalance.IDLE);
        }
    }

    /** What is logged meanwhile names the run. On threads that serve all runs. */
    private static void tagged(Run run, Consumer<Run> action) {
        MDC.put(LOG_TAG, run.definition().id().value());
        try {
            action.accept(run);
        } finally {
            MDC.remove(LOG_TAG);
        }
    }

    /** Takes a step towards the runs that are asked having memory. */
    void balanceMemory(Duration idle) {
        synchronized (maintenance) {
            try {
                balance.step(openRuns(), idle);
            } catch (RuntimeException | Error e) {
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
            for (RunSlot slot : slots.values()) {
                try {
                    slot.get().compact();
                } catch (IOException | RuntimeException e) {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    /** Opens one run that nobody has asked for in time: it may hold deleted samples, which are to leave the files. */
    private void openOverdue() {
        if (System.nanoTime() - startNanos >= options.compaction().deadline().toNanos()) {
            slots.values().stream().filter(RunSlot::untried).findFirst().ifPresent(RunSlot::ifSound);
        }
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

    private void listRuns() throws IOException {
        synchronized (lock) {
            for (String name : directory.runNames()) {
                if (RunId.valid(name)) {
                    slots.put(name, new RunSlot(new RunId(name), this::open));
                } else {
                    logger.warn("{} is not the directory of a run: ignored", directory.runDirectory(name));
                }
            }
        }
    }

    private Run open(RunId id) throws IOException {
        opening.acquireUninterruptibly();
        try {
            RunManifest manifest = directory.readManifest(id.value());
            Run run = Run.open(directory.runDirectory(id.value()), manifest, budget, options, events, health, readers);
            loaders.execute(() -> tagged(run, Run::load));
            return run;
        } finally {
            opening.release();
        }
    }

    @GuardedBy("lock")
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("data directory %s is closed".formatted(directory));
        }
    }
}
