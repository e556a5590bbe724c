package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.store.StoreFormatException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The place of one run in the data directory. Its log is read when someone first asks for the run, by whoever that is; runs do not
 * wait for each other. Safe for any number of threads.
 */
final class RunSlot {

    private static final Logger logger = LoggerFactory.getLogger(RunSlot.class);

    /** Opens a run, however long that takes. */
    @FunctionalInterface
    interface Opener {
        Run open(RunId id) throws IOException;
    }

    private final RunId id;
    private final Opener opener;
    private volatile @Nullable Run run;
    private volatile boolean tried;

    // Why it cannot be opened: nothing that trying again would change.
    @GuardedBy("this")
    private @Nullable RuntimeException refusal;

    RunSlot(RunId id, Opener opener) {
        this.id = id;
        this.opener = opener;
    }

    RunId id() {
        return id;
    }

    /**
     * Returns the run, opened.
     *
     * @throws UnknownRunException if it was deleted
     * @throws StoreFormatException if its files are damaged or of another version
     * @throws UncheckedIOException if they cannot be read now; the next call tries again
     */
    Run get() {
        Run open = run;
        return open != null ? open : open();
    }

    /** The run, if it is open. */
    Optional<Run> ifOpen() {
        return Optional.ofNullable(run);
    }

    /** The run, opened, if it can be. */
    Optional<Run> ifSound() {
        try {
            return Optional.of(get());
        } catch (StoreFormatException | UncheckedIOException | UnknownRunException e) {
            return Optional.empty();
        }
    }

    /** Whether nobody has asked for it so far. */
    boolean untried() {
        return !tried;
    }

    /** Removes the files of the run while nobody opens it. If they stay, so does the run; otherwise {@link #deleted} must follow. */
    synchronized void removeFiles(LogTask.Action removal, BooleanSupplier gone) throws IOException {
        try {
            Run open = run;
            if (open != null) {
                open.removeFiles(removal, gone);
            } else {
                removal.run();
            }
        } finally {
            if (gone.getAsBoolean()) {
                refusal = new UnknownRunException(id);
            }
        }
    }

    /** Ends the run, once nobody finds it any more. */
    void deleted() {
        ifOpen().ifPresent(Run::deleted);
    }

    /** Closes the run; nobody opens it any more. */
    synchronized void close() {
        refusal = new IllegalStateException("the data directory of run '%s' is closed".formatted(id));
        ifOpen().ifPresent(Run::close);
    }

    private synchronized Run open() {
        Run open = run;
        if (open != null) {
            return open;
        }
        if (refusal != null) {
            throw refusal;
        }
        tried = true;
        try {
            Run opened = opener.open(id);
            run = opened;
            return opened;
        } catch (StoreFormatException e) {
            logger.error("run '{}' is not served", id, e);
            refusal = e;
            throw e;
        } catch (IOException e) {
            logger.error("run '{}' cannot be read now", id, e);
            throw new UncheckedIOException(e);
        }
    }
}
