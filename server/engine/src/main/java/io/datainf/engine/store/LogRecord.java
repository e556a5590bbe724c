package io.datainf.engine.store;

/** What is logged as one frame. */
public sealed interface LogRecord permits BatchRecord, DeletionRecord {

    /** Revision of the run after it. */
    long revision();

    /** Rows that it stores. */
    int rowCount();
}
