package io.datainf.engine.run;

import io.datainf.engine.store.RowFiles;
import io.datainf.engine.store.RowFinder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** What it takes to reach the rows of a run, in memory or in files. Safe for any number of threads. */
final class RowAccess {

    private final RunId runId;
    private final RowTable rows;
    private final SnapshotLedger ledger;
    private final RowFinder finder;
    private final Consumer<List<Integer>> damaged;

    /**
     * Creates access.
     *
     * @param damaged is told which rows turn out to be unreadable
     */
    RowAccess(RunId runId, RowTable rows, SnapshotLedger ledger, RowFinder finder, Consumer<List<Integer>> damaged) {
        this.runId = runId;
        this.rows = rows;
        this.ledger = ledger;
        this.finder = finder;
        this.damaged = damaged;
    }

    /** Opens the rows of the newest state. The caller holds the table until the view is closed. */
    RowView open(Supplier<RunState> newest) {
        return new RowView(this, ledger.open(newest));
    }

    RunId runId() {
        return runId;
    }

    RowTable rows() {
        return rows;
    }

    void close(SnapshotLedger.Entry entry) {
        ledger.close(entry);
    }

    /**
     * Opens the files with the rows of a state.
     *
     * @throws UnknownRunException if the run was deleted
     */
    RowFiles openFiles(RunState state) {
        try {
            return finder.open(state.rowCount());
        } catch (NoSuchFileException e) {
            throw new UnknownRunException(runId);
        } catch (IOException e) {
            throw new UncheckedIOException("the files of run '%s' cannot be opened".formatted(runId), e);
        }
    }

    /** Takes rows that cannot be read out of the run; returns what to tell whoever wanted them. */
    UnreadableSamplesException quarantine(List<Integer> ordinals, Throwable cause) {
        damaged.accept(ordinals);
        return new UnreadableSamplesException(
                runId, ordinals.stream().map(rows::sampleId).toList(), cause);
    }
}
