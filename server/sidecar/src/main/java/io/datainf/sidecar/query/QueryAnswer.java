package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.TopK;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.PrimitiveIterator;
import java.util.stream.IntStream;

/**
 * The answer to a query, held outside the Java heap until it is sent and closed. Read by one thread at a time; any thread
 * may close it once nobody reads.
 */
public final class QueryAnswer implements AutoCloseable {

    private final QueryPlan plan;
    private final RunSnapshot snapshot;
    private final String engineName;
    private final QueryMemory memory;
    private final QueryEvents events;
    private final List<InfluenceScores> scores = new ArrayList<>();
    private int[] givenOrdinals = {};
    private long reservedBytes;
    private long queueNanos;
    private long computeNanos;
    private long computedAtNanos;
    private boolean sent;
    private boolean closed;

    /** Takes the snapshot over; the rest is filled in by {@link QueryComputation}. */
    QueryAnswer(QueryPlan plan, RunSnapshot snapshot, String engineName, QueryMemory memory, QueryEvents events) {
        this.plan = plan;
        this.snapshot = snapshot;
        this.engineName = engineName;
        this.memory = memory;
        this.events = events;
    }

    /** Reserves the memory of the scores. */
    void reserveScores() {
        double bytes = (double) plan.dampings().size()
                * queryCount()
                * (1 + termCount())
                * samples().rowCount()
                * Double.BYTES;
        // Beyond 2^53 the product is rounded, but no such amount of memory exists.
        long wholeBytes = (long) bytes;
        memory.reserve(wholeBytes);
        reservedBytes = wholeBytes;
    }

    void selectGiven(int[] ordinals) {
        givenOrdinals = ordinals;
    }

    void add(InfluenceScores ofDamping) {
        scores.add(ofDamping);
    }

    void computed(long queued, long computing) {
        queueNanos = queued;
        computeNanos = computing;
        computedAtNanos = System.nanoTime();
    }

    SampleSet samples() {
        return snapshot.samples();
    }

    RunSnapshot snapshot() {
        return snapshot;
    }

    /** The run that was asked. */
    public RunDefinition definition() {
        return snapshot.definition();
    }

    /** Samples that the answer was computed from, n. */
    public long sampleCount() {
        return samples().sampleCount();
    }

    /** Revision of the run. */
    public long revision() {
        return snapshot.revision();
    }

    /** Engine that computed. */
    public String engineName() {
        return engineName;
    }

    /** Method used. */
    public InfluenceMethod method() {
        return plan.method();
    }

    /** Answers for each damping: validation points, or 1 for their mean. */
    public int queryCount() {
        return plan.mean() ? 1 : plan.source().count();
    }

    /** Damping values answered for. */
    public int dampingCount() {
        return scores.size();
    }

    /** lambda_l of one damping, [L]; 0 for a skipped block. */
    public double[] lambda(int damping) {
        return scores.get(damping).lambda();
    }

    /** Blocks whose terms are part of the answer: L, or 0 if they were not asked for. */
    public int termCount() {
        return plan.options().perBlock() ? samples().layout().blockCount() : 0;
    }

    /** Samples whose scores the answer has, for each validation point and damping. */
    public long selectedCount() {
        return switch (plan.selection()) {
            case SampleSelection.All all -> sampleCount();
            case SampleSelection.Given given -> givenOrdinals.length;
            case SampleSelection.Top top -> Math.min(top.count(), sampleCount());
        };
    }

    /** Returns the selected rows in order. O(n log k) when the selection is by rank. */
    public PrimitiveIterator.OfInt rows(int damping, int query) {
        SampleSet samples = samples();
        return switch (plan.selection()) {
            case SampleSelection.All all ->
                IntStream.range(0, samples.rowCount()).filter(samples::live).iterator();
            case SampleSelection.Given given -> Arrays.stream(givenOrdinals).iterator();
            case SampleSelection.Top top -> {
                int[] best = TopK.select(
                        samples,
                        row -> score(damping, query, row),
                        snapshot::sampleId,
                        (int) selectedCount(),
                        top.ranking());
                yield Arrays.stream(best).iterator();
            }
        };
    }

    /** The trainer's id of a row. */
    public long sampleId(int row) {
        return snapshot.sampleId(row);
    }

    /** Score of a row. */
    public double score(int damping, int query, int row) {
        return scores.get(damping).score(query, row);
    }

    /** Term of block {@code block} in the score of a row. */
    public double blockScore(int damping, int block, int query, int row) {
        return scores.get(damping).blockScore(block, query, row);
    }

    /** From the arrival of the whole query to the start of its computation. */
    public long queueNanos() {
        return queueNanos;
    }

    /** In the kernels. */
    public long computeNanos() {
        return computeNanos;
    }

    /**
     * Bound on the rounding error of any score, relative to the greatest absolute score of its validation point; empty when
     * the method has none.
     */
    public OptionalDouble relativeErrorBound() {
        double bound = 0;
        for (InfluenceScores ofDamping : scores) {
            OptionalDouble one = ofDamping.relativeErrorBound();
            if (one.isEmpty()) {
                return one;
            }
            bound = Math.max(bound, one.getAsDouble());
        }
        return OptionalDouble.of(bound);
    }

    /** Whether single precision was not enough for some score. */
    public boolean recomputedInDouble() {
        return scores.stream().anyMatch(InfluenceScores::recomputedInDouble);
    }

    /** The last message was handed over. Returns the nanoseconds since the end of the computation. */
    public synchronized long markSent() {
        long respondNanos = System.nanoTime() - computedAtNanos;
        if (!sent && !closed) {
            sent = true;
            events.queryAnswered(method(), queueNanos, computeNanos, respondNanos);
        }
        return respondNanos;
    }

    /** Lets the scores and the snapshot go. An answer closed before it was sent counts as failed. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        scores.forEach(InfluenceScores::close);
        snapshot.close();
        memory.release(reservedBytes);
        if (!sent) {
            events.queryFailed(method());
        }
    }
}
