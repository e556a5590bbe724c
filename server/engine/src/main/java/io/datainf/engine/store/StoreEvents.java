package io.datainf.engine.store;

/** Is told what the store does, for metrics. Called on the store's threads: implementations must not block or throw. */
public interface StoreEvents {

    /** Ignores everything. */
    StoreEvents NONE = new StoreEvents() {};

    /** A group of batches and deletions was written, not yet forced. */
    default void appended(int recordCount, int sampleCount, long bytes) {}

    /** A force to disk took so long. */
    default void forced(long nanos) {}

    /** A write or a force failed; the file is not written to again. */
    default void failed() {}

    /** Recovery cut an unfinished end of this length off a segment. */
    default void tailCut(long bytes) {}

    /** Segments were rewritten without their dead rows. */
    default void compacted(long bytesBefore, long bytesAfter) {}

    /** Something that was acknowledged cannot be read: a header, a frame or a row. */
    default void damaged() {}
}
