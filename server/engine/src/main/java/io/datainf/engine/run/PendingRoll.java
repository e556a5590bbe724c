package io.datainf.engine.run;

import java.util.concurrent.CompletableFuture;

/**
 * A wish that the log begin a new segment, so that the current one can be compacted.
 *
 * @param done completes when it has
 */
record PendingRoll(CompletableFuture<Void> done) implements PendingOperation {

    @Override
    public long bytes() {
        return 0;
    }

    @Override
    public void fail(Throwable cause) {
        done.completeExceptionally(cause);
    }
}
