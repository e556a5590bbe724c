package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A query that waits for its turn, and whom to tell how it ends. */
final class QueuedQuery {

    private final QueryPlan plan;
    private final Object client;
    private final BooleanSupplier cancelled;
    private final QueryListener listener;
    private final Kind kind;
    private final long queuedAtNanos = System.nanoTime();

    /**
     * Creates an entry of the queue.
     *
     * @param client who asks: equal for queries of the same client
     * @param cancelled whether nobody waits for the answer any more
     */
    QueuedQuery(QueryPlan plan, Object client, BooleanSupplier cancelled, QueryListener listener) {
        this.plan = plan;
        this.client = client;
        this.cancelled = cancelled;
        this.listener = listener;
        this.kind = Kind.of(plan);
    }

    QueryPlan plan() {
        return plan;
    }

    Object client() {
        return client;
    }

    boolean cancelled() {
        return cancelled.getAsBoolean();
    }

    QueryListener listener() {
        return listener;
    }

    long queuedAtNanos() {
        return queuedAtNanos;
    }

    /** Whether both can be answered by one computation on a snapshot of their run, which is the same. */
    boolean joins(QueuedQuery other) {
        return !plan.options().reproducible() && !other.plan.options().reproducible() && kind.equals(other.kind);
    }

    /** What queries of one run must have in common to be computed together. */
    private record Kind(InfluenceMethod method, List<Object> dampings, boolean perBlock) {

        static Kind of(QueryPlan plan) {
            List<Object> dampings = new ArrayList<>();
            for (Damping damping : plan.dampings()) {
                dampings.add(
                        switch (damping) {
                            case Damping.Scaled scaled -> scaled;
                            // Arrays are equal only to themselves.
                            case Damping.Fixed fixed ->
                                Arrays.stream(fixed.values()).boxed().toList();
                        });
            }
            return new Kind(plan.method(), dampings, plan.options().perBlock());
        }
    }
}
