package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.run.RunSnapshot;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** Scores that the answers of a batch share, with the snapshot that they come from. Let go when the last answer lets go. */
final class SharedScores {

    private final RunSnapshot snapshot;
    private final List<InfluenceScores> byDamping;
    private final QueryMemory memory;
    private final long reservedBytes;
    private final AtomicInteger holders;

    /**
     * Takes over the snapshot, the scores and the memory reserved for them.
     *
     * @param holders answers that will call {@link #release}
     */
    SharedScores(
            RunSnapshot snapshot,
            List<InfluenceScores> byDamping,
            QueryMemory memory,
            long reservedBytes,
            int holders) {
        this.snapshot = snapshot;
        this.byDamping = List.copyOf(byDamping);
        this.memory = memory;
        this.reservedBytes = reservedBytes;
        this.holders = new AtomicInteger(holders);
    }

    RunSnapshot snapshot() {
        return snapshot;
    }

    /** One entry a damping. */
    List<InfluenceScores> byDamping() {
        return byDamping;
    }

    /** One answer needs it no more. */
    void release() {
        if (holders.decrementAndGet() == 0) {
            byDamping.forEach(InfluenceScores::close);
            snapshot.close();
            memory.release(reservedBytes);
        }
    }
}
