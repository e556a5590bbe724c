package io.datainf.engine.run;

/** What waits for its turn in a run's log. */
sealed interface PendingOperation permits PendingBatch, PendingDeletion {

    /** Whether it may be committed; otherwise it holds up what comes behind it, for the time of a copy. */
    boolean ready();

    /** Memory that it keeps busy, about; once it is ready. */
    long bytes();

    /** Tells the one who waits that it was not applied. */
    void fail(Throwable cause);
}
