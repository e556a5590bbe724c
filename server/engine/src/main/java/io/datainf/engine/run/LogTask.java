package io.datainf.engine.run;

import java.io.IOException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Something that only the log thread may do, between two groups.
 *
 * @param done completes when it was done or has failed; cancelled if it will not be done
 */
record LogTask(Action action, CompletableFuture<Void> done) {

    /** What it does. */
    @FunctionalInterface
    interface Action {
        void run() throws IOException;
    }

    static LogTask of(Action action) {
        return new LogTask(action, new CompletableFuture<>());
    }

    /** Waits until it is done; returns false if it will not be. */
    boolean await() throws IOException {
        try {
            done.join();
            return true;
        } catch (CancellationException e) {
            return false;
        } catch (CompletionException e) {
            if (e.getCause() instanceof IOException failure) {
                throw failure;
            }
            throw e;
        }
    }

    /** Does it. Does not throw: {@link #done} tells. */
    void run() {
        try {
            action.run();
            done.complete(null);
        } catch (IOException | RuntimeException | Error e) {
            done.completeExceptionally(e);
        }
    }
}
