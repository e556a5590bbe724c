package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.RunSnapshot;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Queries that are computed together, on one snapshot. Owns the snapshot and memory until answers take them over. For one thread. */
final class QueryBatch implements AutoCloseable {

    private final QueryMemory memory;
    private final long startNanos = System.nanoTime();
    private final List<BatchMember> members = new ArrayList<>();
    private @Nullable RunSnapshot snapshot;
    private @Nullable ValidationGradients together;
    private long reservedBytes;

    /** Takes the snapshot over. */
    QueryBatch(RunSnapshot snapshot, QueryMemory memory) {
        this.snapshot = snapshot;
        this.memory = memory;
    }

    RunSnapshot snapshot() {
        if (snapshot == null) {
            throw new IllegalStateException("the batch has been answered or closed");
        }
        return snapshot;
    }

    /** The queries, in the order of their points. */
    List<BatchMember> members() {
        return List.copyOf(members);
    }

    /** Adds a query. */
    void add(BatchMember member) {
        members.add(member);
    }

    /** Validation points over all queries. */
    int pointCount() {
        return members.stream().mapToInt(member -> member.plan().queryCount()).sum();
    }

    /**
     * Reserves the memory that the computation takes. Removes and returns those queries that do not fit beside the first.
     *
     * @throws QueryMemoryException if the first does not fit
     */
    List<QueuedQuery> reserve() {
        List<QueuedQuery> left = new ArrayList<>();
        int rowCount = snapshot().samples().rowCount();
        memory.reserve(members.getFirst().memoryBytes(rowCount));
        reservedBytes = members.getFirst().memoryBytes(rowCount);
        for (BatchMember member : members.subList(1, members.size())) {
            long bytes = member.memoryBytes(rowCount);
            if (memory.tryReserve(bytes)) {
                reservedBytes += bytes;
            } else {
                left.add(member.query());
            }
        }
        remove(left);
        if (members.size() > 1 && !gather()) {
            List<QueuedQuery> others = members.subList(1, members.size()).stream()
                    .map(BatchMember::query)
                    .toList();
            long bytes = reservedBytes - members.getFirst().memoryBytes(rowCount);
            memory.release(bytes);
            reservedBytes -= bytes;
            remove(others);
            left.addAll(others);
        }
        return left;
    }

    /** What to compute. */
    InfluenceRequest request() {
        QueryPlan plan = members.getFirst().plan();
        ValidationGradients points = together == null ? members.getFirst().points() : together;
        return new InfluenceRequest(
                snapshot().samples(),
                points.count(),
                points.elements(),
                plan.method(),
                plan.dampings(),
                plan.options().perBlock(),
                plan.options().reproducible());
    }

    /**
     * Returns the answers, one a member, which own the scores and the snapshot from now on.
     *
     * @param scores one entry a damping
     */
    List<QueryAnswer> answers(
            List<InfluenceScores> scores,
            String engineName,
            long computeNanos,
            List<StageMark> stages,
            QueryEvents events) {
        BatchFigures figures = new BatchFigures(engineName, members.size(), startNanos, computeNanos, stages);
        SharedScores shared = new SharedScores(snapshot(), scores, memory, reservedBytes, members.size());
        snapshot = null;
        reservedBytes = 0;
        List<QueryAnswer> answers = new ArrayList<>();
        int firstPoint = 0;
        for (BatchMember member : members) {
            answers.add(new QueryAnswer(member, shared, firstPoint, figures, events));
            firstPoint += member.plan().queryCount();
        }
        return answers;
    }

    /** Lets go what no answer has taken over. The plans stay. May be repeated. */
    @Override
    public void close() {
        members.forEach(BatchMember::close);
        if (together != null) {
            together.close();
        }
        if (snapshot != null) {
            snapshot.close();
            snapshot = null;
        }
        memory.release(reservedBytes);
        reservedBytes = 0;
    }

    /** Puts all points one behind the other. Returns whether there is memory for that. */
    private boolean gather() {
        ValidationGradients all;
        try {
            all = ValidationGradients.allocate(snapshot().samples().layout(), pointCount(), ElementType.F32, memory);
        } catch (QueryMemoryException e) {
            return false;
        }
        members.forEach(member -> all.appendAll(member.points()));
        together = all;
        return true;
    }

    private void remove(List<QueuedQuery> queries) {
        members.removeIf(member -> {
            boolean leaves = queries.contains(member.query());
            if (leaves) {
                member.close();
            }
            return leaves;
        });
    }
}
