package io.datainf.engine.run;

/** What waits for its turn in a run's log. */
sealed interface PendingOperation permits PendingBatch, PendingDeletion {

    /** Memory that it keeps busy, about. */
    long bytes();

    /** Tells the one who waits that it was not applied. */
    void fail(Throwable cause);
}
