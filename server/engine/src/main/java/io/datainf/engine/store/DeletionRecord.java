package io.datainf.engine.store;

/**
 * Samples to be deleted, logged as one frame.
 *
 * @param revision revision of the run after it
 * @param sampleIds the trainer's ids of samples that the run holds, no id twice
 */
@SuppressWarnings("ArrayRecordComponent") // not shared
public record DeletionRecord(long revision, long[] sampleIds) implements LogRecord {

    @Override
    public int rowCount() {
        return 0;
    }
}
