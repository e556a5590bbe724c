package io.datainf.engine.run;

import io.datainf.engine.store.StoreEvents;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** All runs of one data directory, which it locks. Safe for any number of threads. */
public final class RunRegistry implements AutoCloseable {

    private RunRegistry() {}

    /**
     * Locks the data directory, creating it if need be, and recovers its runs.
     *
     * @param memoryBudgetBytes most bytes of rows to hold in memory, over all runs
     * @param events is told what the store does
     * @throws io.datainf.engine.store.DataDirectoryInUseException if another process holds the directory
     * @throws IOException if it cannot be read or written
     */
    public static RunRegistry open(Path dataDirectory, long memoryBudgetBytes, StoreEvents events) throws IOException {
        throw new UnsupportedOperationException();
    }

    /**
     * Creates a run, durably, or returns the existing one of an equal definition.
     *
     * @throws RunDefinitionMismatchException if a run of this id has another definition; names the first difference
     */
    public Run create(RunDefinition definition) throws IOException {
        throw new UnsupportedOperationException();
    }

    /**
     * Returns a run.
     *
     * @throws UnknownRunException if there is none of this id
     */
    public Run get(RunId id) {
        throw new UnsupportedOperationException();
    }

    /** Returns at most {@code limit} runs in ascending order of id, those after {@code after}; "" begins at the first. */
    public List<Run> list(String after, int limit) {
        throw new UnsupportedOperationException();
    }

    /**
     * Deletes a run with its files. Its writers end; open snapshots stay readable until closed.
     *
     * @throws UnknownRunException if there is none of this id
     */
    public void delete(RunId id) throws IOException {
        throw new UnsupportedOperationException();
    }

    /** Rows and bytes held over all runs, and what the log has done so far: for metrics. */
    public StorageFigures figures() {
        throw new UnsupportedOperationException();
    }

    /** Forces what is pending, closes all runs and unlocks the directory. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
