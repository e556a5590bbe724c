package io.datainf.engine.store;

/** What the log says of the samples of a batch. Valid only during the call that it is handed to. */
public final class RecoveredBatch {

    private final FrameFormat.Head head;

    RecoveredBatch(FrameFormat.Head head) {
        this.head = head;
    }

    /** Revision of the run after the batch. */
    public long revision() {
        return head.revision();
    }

    /** Samples stored, s. */
    public int storedCount() {
        return head.shape().rowCount();
    }

    /** Ordinal of the {@code i}-th stored sample; ascending. */
    public long ordinal(int i) {
        return head.ordinal(i);
    }

    /** Id of the {@code i}-th stored sample. */
    public long sampleId(int i) {
        return head.sampleId(i);
    }

    /** Training step of the {@code i}-th stored sample; 0 if it was sent without. */
    public long step(int i) {
        return head.step(i);
    }

    /** q of the {@code i}-th stored sample, [L]. */
    public void squaredNorms(int i, double[] target) {
        head.squaredNorms(i, target);
    }

    /** CRC-32C of the row of the {@code i}-th stored sample. */
    public int rowChecksum(int i) {
        return head.rowChecksum(i);
    }
}
