package io.datainf.engine.store;

/** Takes what a log holds, in the order in which it was written. */
public interface LogVisitor {

    /** Takes a batch. */
    void batch(RecoveredBatch batch);

    /**
     * Takes a deletion.
     *
     * @param revision of the run after it
     * @param sampleIds what was deleted
     */
    void deletion(long revision, long[] sampleIds);

    /**
     * Learns that there are no rows from the last one seen up to {@code ordinalEnd}.
     *
     * @param damaged whether they are lost by damage; compaction left them out otherwise
     */
    void missing(long ordinalEnd, boolean damaged);
}
