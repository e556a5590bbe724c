package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.influence.AbsentRows;
import io.datainf.engine.store.RowFiles;
import io.datainf.engine.store.UnreadableRowsException;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * The rows of one state: those in memory stay there while the view is open, the others are read from the files, which are opened when
 * the first one is wanted. Safe for any number of threads; closed when nothing is read any more.
 */
final class RowView implements AbsentRows, AutoCloseable {

    private final RowAccess access;
    private final SnapshotLedger.Entry entry;
    private final BitSet absent;

    @GuardedBy("this")
    private @Nullable RowFiles files;

    RowView(RowAccess access, SnapshotLedger.Entry entry) {
        this.access = access;
        this.entry = entry;
        RunState state = entry.state();
        if (state.absentRows().isEmpty()) {
            absent = state.absentRows();
        } else {
            absent = (BitSet) state.absentRows().clone();
            absent.andNot(state.deadRows());
        }
    }

    /** The state. */
    RunState state() {
        return entry.state();
    }

    @Override
    public BitSet ordinals() {
        return absent;
    }

    /**
     * {@inheritDoc}
     *
     * <p>Rows that cannot be read leave the run, and the stage fails with {@link UnreadableSamplesException}.
     */
    @Override
    public CompletableFuture<Void> read(int[] ordinals, MemorySegment[] targets) {
        try {
            return files().read(ordinals, targets).exceptionallyCompose(failure -> {
                Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                return CompletableFuture.failedFuture(
                        cause instanceof UnreadableRowsException unreadable
                                ? access.quarantine(unreadable.ordinals(), unreadable)
                                : cause);
            });
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    /**
     * Copies a live row into {@code target}, a row long and outside the heap.
     *
     * @throws UnreadableSamplesException if it cannot be read; it has left the run then
     */
    void readRow(int ordinal, MemorySegment target) {
        if (!absent.get(ordinal)) {
            target.copyFrom(access.rows().gradients().row(ordinal));
            return;
        }
        try {
            read(new int[] {ordinal}, new MemorySegment[] {target}).join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private synchronized RowFiles files() {
        RowFiles open = files;
        if (open == null) {
            open = access.openFiles(entry.state());
            files = open;
        }
        return open;
    }

    @Override
    public synchronized void close() {
        access.close(entry);
        RowFiles open = files;
        if (open != null) {
            open.close();
        }
    }
}
