package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.WorkMonitor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.function.BooleanSupplier;

/** Stops a batch when nobody waits for it any more, tells those who wait how far long work has come, and counts what is read. */
final class BatchMonitor implements WorkMonitor {

    private static final int MAX_STAGES = 16;

    private final QueuedQuery[] queries;
    private final BooleanSupplier stopping;
    private final ProgressSteps steps = new ProgressSteps();
    private final DoubleAdder scannedBytes = new DoubleAdder();
    private final boolean tells;
    // Of the thread that computes.
    private final List<StageMark> stages = new ArrayList<>();

    BatchMonitor(List<BatchMember> members, BooleanSupplier stopping) {
        this.queries = members.stream().map(BatchMember::query).toArray(QueuedQuery[]::new);
        this.stopping = stopping;
        this.tells = takesLong(members.getFirst().plan().method());
    }

    /** Whether a computation with this method can take much longer than two readings of the rows. */
    static boolean takesLong(InfluenceMethod method) {
        return switch (method) {
            case InfluenceMethod.DataInf() -> false;
            case InfluenceMethod.HessianFree() -> false;
            case InfluenceMethod.Lissa lissa -> true;
            case InfluenceMethod.LissaReference lissa -> true;
            case InfluenceMethod.Exact exact -> true;
        };
    }

    @Override
    public boolean cancelled() {
        if (stopping.getAsBoolean()) {
            return true;
        }
        for (QueuedQuery query : queries) {
            if (!query.cancelled()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void progress(double fraction) {
        if (tells && steps.reached(fraction)) {
            for (QueuedQuery query : queries) {
                query.listener().progressed(fraction);
            }
        }
    }

    @Override
    public void scanned(double bytes) {
        scannedBytes.add(bytes);
    }

    @Override
    public void begins(Stage stage) {
        if (stages.size() < MAX_STAGES && (stages.isEmpty() || stages.getLast().stage() != stage)) {
            stages.add(new StageMark(stage, System.nanoTime()));
        }
    }

    /** When which stage began; those that come late are left out. On the thread that computes. */
    List<StageMark> stages() {
        return List.copyOf(stages);
    }

    /** Bytes of stored gradients read so far. */
    double scannedBytes() {
        return scannedBytes.sum();
    }
}
