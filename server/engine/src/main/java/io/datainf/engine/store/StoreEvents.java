package io.datainf.engine.store;

/** Is told what the store does, for metrics. Called on the log threads of runs: implementations must not block or throw. */
public interface StoreEvents {

    /** Ignores everything. */
    StoreEvents NONE = new StoreEvents() {
        @Override
        public void appended(int batchCount, int sampleCount, long bytes) {}

        @Override
        public void forced(long nanos) {}

        @Override
        public void failed() {}

        @Override
        public void tailCut(long bytes) {}
    };

    /** A group of batches was written, not yet forced. */
    void appended(int batchCount, int sampleCount, long bytes);

    /** A force to disk took so long. */
    void forced(long nanos);

    /** A write or a force failed; the file is not written to again. */
    void failed();

    /** Recovery cut an unfinished end of this length off a segment. */
    void tailCut(long bytes);
}
