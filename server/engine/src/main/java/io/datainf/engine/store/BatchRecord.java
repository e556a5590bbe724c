package io.datainf.engine.store;

/**
 * A batch to be logged as one frame.
 *
 * @param writerId who sent it
 * @param batchSeq the writer's number of it
 * @param revision revision of the run after it
 * @param samples its samples
 * @param stored positions in the batch of the samples to store, ascending; others were duplicates or refused
 */
@SuppressWarnings("ArrayRecordComponent") // not shared
public record BatchRecord(String writerId, long batchSeq, long revision, SampleColumns samples, int[] stored)
        implements LogRecord {

    @Override
    public int rowCount() {
        return stored.length;
    }
}
