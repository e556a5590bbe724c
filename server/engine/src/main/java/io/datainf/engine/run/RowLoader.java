package io.datainf.engine.run;

import io.datainf.engine.store.CorruptSegmentException;
import io.datainf.engine.store.RecordLog;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoredRows;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the recovered rows of a run into memory, as far as it goes, once, on the thread of whoever comes first: a background thread, or someone
 * who cannot wait. Rows that cannot be read are told.
 */
final class RowLoader {

    private static final Logger logger = LoggerFactory.getLogger(RowLoader.class);

    private final RowTable rows;
    private final RecordLog log;
    private final BitSet deadRows;
    private final int rowCount;
    private final StoreEvents events;
    private final Consumer<BitSet> loaded;
    private final Consumer<List<Integer>> damaged;
    private final BitSet resident = new BitSet();
    private final List<Integer> unreadable = new ArrayList<>();
    private final FutureTask<Void> task;
    private int next;
    private volatile boolean cancelled;

    /**
     * Creates a loader of the live ones of the recovered rows.
     *
     * @param loaded is told which are in memory; the others stay in the files
     * @param damaged is told which of them cannot be read
     */
    RowLoader(
            RowTable rows,
            RecordLog log,
            RunState recovered,
            StoreEvents events,
            Consumer<BitSet> loaded,
            Consumer<List<Integer>> damaged) {
        this.rows = rows;
        this.log = log;
        this.deadRows = recovered.deadRows();
        this.events = events;
        this.loaded = loaded;
        this.damaged = damaged;
        this.rowCount = recovered.rowCount();
        this.task = new FutureTask<>(this::load, null);
    }

    /**
     * Returns when all rows that are to be in memory are.
     *
     * @throws CancellationException if loading was given up
     */
    void await() {
        task.run();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    task.get();
                    return;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof RuntimeException cause) {
                        throw cause;
                    }
                    throw new IllegalStateException(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Whether all rows that are to be in memory are. */
    boolean done() {
        return task.isDone();
    }

    /** Gives loading up. */
    void cancel() {
        cancelled = true;
    }

    private void load() {
        if (!rows.hold()) {
            throw new CancellationException("the run is closed");
        }
        try {
            readAll();
            loaded.accept(resident);
            if (!unreadable.isEmpty()) {
                damaged.accept(unreadable);
            }
        } finally {
            rows.release();
        }
    }

    private void readAll() {
        try {
            log.readRows(this::read);
        } catch (RuntimeException e) {
            requireWanted();
            logger.error("rows from {} on cannot be read", next, e);
        }
        // What a damaged file no longer names, or a file that cannot be read holds.
        markUnreadable(rowCount);
    }

    private void read(StoredRows stored) {
        for (int i = 0; i < stored.rowCount(); i++) {
            requireWanted();
            int ordinal = (int) stored.ordinal(i);
            markUnreadable(ordinal);
            if (!deadRows.get(ordinal) && rows.tryReserve(1)) {
                try {
                    stored.read(i, rows.gradients().row(ordinal));
                    resident.set(ordinal);
                } catch (CorruptSegmentException | IOException e) {
                    logger.error("sample {} cannot be read", Long.toUnsignedString(rows.sampleId(ordinal)), e);
                    events.damaged();
                    // Kernels multiply dead rows with 0, which garbage would turn into NaN.
                    rows.gradients().row(ordinal).fill((byte) 0);
                    rows.unreserve(1);
                    unreadable.add(ordinal);
                }
            }
            next = ordinal + 1;
        }
    }

    private void markUnreadable(int end) {
        for (; next < end; next++) {
            if (!deadRows.get(next)) {
                events.damaged();
                unreadable.add(next);
            }
        }
    }

    private void requireWanted() {
        if (cancelled) {
            throw new CancellationException("the run is closed");
        }
    }
}
