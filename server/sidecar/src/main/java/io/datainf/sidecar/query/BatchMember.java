package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.run.RunSnapshot;
import java.util.ArrayList;
import java.util.List;

/** A query whose turn has come, with what it takes from the snapshot. */
final class BatchMember implements AutoCloseable {

    // Columns that share a reading of the rows, and bytes of a sum and its column.
    private static final int MAX_COLUMNS = 32;
    private static final int SUM_BYTES = Double.BYTES + Float.BYTES;

    private final QueuedQuery query;
    private final List<ValidationGradients> taken = new ArrayList<>();
    private final ValidationGradients points;
    private final int[] givenOrdinals;
    private final List<double[]> selfInfluences;
    private final boolean fromFiles;

    /**
     * Prepares a query.
     *
     * @throws RuntimeException if it cannot be answered: of the kinds of {@link Snapshots#requireAnswerable} and {@link
     *     StoredSamples#load}, or {@link SelfInfluenceMissingException}
     */
    BatchMember(QueuedQuery query, RunSnapshot snapshot, SelfInfluences kept, QueryMemory memory) {
        this.query = query;
        this.fromFiles = snapshot.residentCount() < snapshot.samples().sampleCount();
        QueryPlan plan = query.plan();
        Snapshots.requireAnswerable(snapshot, plan.options().minRevision());
        this.givenOrdinals = plan.selection() instanceof SampleSelection.Given given
                ? snapshot.ordinalsOf(given.sampleIds())
                : new int[0];
        this.selfInfluences =
                plan.options().normalization() == Normalization.RELATIF ? relatif(plan, snapshot, kept) : List.of();
        try {
            this.points = points(plan, snapshot, memory);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    QueuedQuery query() {
        return query;
    }

    QueryPlan plan() {
        return query.plan();
    }

    /** What is computed, [queryCount, D]. */
    ValidationGradients points() {
        return points;
    }

    /** Rows of the selection, if it names samples. */
    int[] givenOrdinals() {
        return givenOrdinals;
    }

    /** Self-influence of each row for each damping, if they are needed. */
    List<double[]> selfInfluences() {
        return selfInfluences;
    }

    /** Bytes that the query takes: its scores and, if rows come from files, the sums of all blocks, which wait for the next rows. */
    long memoryBytes(int rowCount) {
        int blockCount = points.layout().blockCount();
        double columns = (double) plan().dampings().size() * plan().queryCount();
        double bytes = columns * (plan().options().perBlock() ? 1 + blockCount : 1) * rowCount * Double.BYTES;
        if (fromFiles) {
            bytes += Math.min(columns, MAX_COLUMNS) * points.layout().dimension() * SUM_BYTES;
        }
        return (long) bytes; // beyond 2^53 it is rounded, but no such amount of memory exists
    }

    /** Lets go what was taken for the computation. The plan stays. */
    @Override
    public void close() {
        taken.forEach(ValidationGradients::close);
        taken.clear();
    }

    private ValidationGradients points(QueryPlan plan, RunSnapshot snapshot, QueryMemory memory) {
        ValidationGradients all = switch (plan.source()) {
            case ValidationGradients gradients -> gradients;
            case StoredSamples stored -> own(stored.load(snapshot, memory));
        };
        return plan.mean() && all.count() > 1 ? own(all.mean()) : all;
    }

    private ValidationGradients own(ValidationGradients gradients) {
        taken.add(gradients);
        return gradients;
    }

    private static List<double[]> relatif(QueryPlan plan, RunSnapshot snapshot, SelfInfluences kept) {
        List<double[]> byDamping = new ArrayList<>();
        for (Damping damping : plan.dampings()) {
            byDamping.add(kept.find(plan.run(), snapshot, damping)
                    .orElseThrow(() -> new SelfInfluenceMissingException(
                            snapshot.definition().id(), snapshot.revision(), byDamping.size())));
        }
        return byDamping;
    }
}
