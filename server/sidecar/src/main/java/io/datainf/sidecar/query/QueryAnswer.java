package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.influence.Normalizations;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.SolverReport;
import io.datainf.engine.influence.TopK;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunSnapshot;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.PrimitiveIterator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a query, held outside the Java heap until it is sent and closed. Read by one thread at a time; any thread
 * may close it once nobody reads.
 */
public final class QueryAnswer implements AutoCloseable {

    private final QueryPlan plan;
    private final int[] givenOrdinals;
    private final List<double[]> selfInfluences;
    private final SharedScores shared;
    private final RunSnapshot snapshot;
    private final List<InfluenceScores> scores;
    private final int firstPoint;
    private final BatchFigures figures;
    private final long queueNanos;
    private final long computedAtNanos = System.nanoTime();
    private final QueryEvents events;
    private double @Nullable [] gradientNorms;
    private boolean sent;
    private boolean closed;

    /**
     * Takes over one hold on the scores.
     *
     * @param firstPoint where among the points of the batch its own begin
     */
    QueryAnswer(BatchMember member, SharedScores shared, int firstPoint, BatchFigures figures, QueryEvents events) {
        this.plan = member.plan();
        this.givenOrdinals = member.givenOrdinals();
        this.selfInfluences = member.selfInfluences();
        this.shared = shared;
        this.snapshot = shared.snapshot();
        this.scores = shared.byDamping();
        this.firstPoint = firstPoint;
        this.figures = figures;
        this.queueNanos = figures.startNanos() - member.query().queuedAtNanos();
        this.events = events;
    }

    /** The run that was asked. */
    public RunDefinition definition() {
        return snapshot.definition();
    }

    /** Samples that the answer was computed from, n. */
    public long sampleCount() {
        return snapshot.samples().sampleCount();
    }

    /** Revision of the run. */
    public long revision() {
        return snapshot.revision();
    }

    /** Engine that computed. */
    public String engineName() {
        return figures.engineName();
    }

    /** Method used. */
    public InfluenceMethod method() {
        return plan.method();
    }

    /** Answers for each damping: validation points, or 1 for their mean. */
    public int queryCount() {
        return plan.queryCount();
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
        return plan.options().perBlock() ? snapshot.samples().layout().blockCount() : 0;
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
        SampleSet samples = snapshot.samples();
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

    /** Score of a row, scaled as asked. */
    public double score(int damping, int query, int row) {
        return scaled(scores.get(damping).score(firstPoint + query, row), damping, query, row);
    }

    /** Term of block {@code block} in the score of a row, scaled like their sum. */
    public double blockScore(int damping, int block, int query, int row) {
        return scaled(scores.get(damping).blockScore(block, firstPoint + query, row), damping, query, row);
    }

    /** From the arrival of the whole query to the start of its computation. */
    public long queueNanos() {
        return queueNanos;
    }

    /** In the kernels. */
    public long computeNanos() {
        return figures.computeNanos();
    }

    /** When its turn came, by {@link System#nanoTime}. */
    public long startNanos() {
        return figures.startNanos();
    }

    /** When which passes began. */
    public List<StageMark> stages() {
        return figures.stages();
    }

    /** When it was computed, by {@link System#nanoTime}. */
    public long computedAtNanos() {
        return computedAtNanos;
    }

    /** Queries that were computed together with this one, itself included. */
    public int batchQueryCount() {
        return figures.queryCount();
    }

    /** How the solver ended, one entry a damping; empty for methods without one. */
    public List<SolverReport> solverReports() {
        return scores.stream()
                .flatMap(ofDamping -> ofDamping.solverReport().stream())
                .toList();
    }

    /**
     * Bound on the rounding error of any score before it is scaled, relative to the greatest absolute score of its validation point; empty when
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
            events.queryAnswered(method(), queueNanos, figures.computeNanos(), respondNanos);
        }
        return respondNanos;
    }

    /** Lets the scores and the snapshot go. An answer closed before it was sent counts as cancelled. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        shared.release();
        if (!sent) {
            events.queryFailed(method(), QueryFailure.CANCELLED);
        }
    }

    private double scaled(double score, int damping, int query, int row) {
        return switch (plan.options().normalization()) {
            case RAW -> score;
            case COSINE ->
                Normalizations.cosine(
                        score, scores.get(damping).inverseHvpNorm(firstPoint + query), gradientNorms()[row]);
            case RELATIF -> Normalizations.relatif(score, selfInfluences.get(damping)[row]);
        };
    }

    /** |g_k| of each row; the same for every damping, because a skipped block is zero in all samples. */
    private double[] gradientNorms() {
        double[] norms = gradientNorms;
        if (norms == null) {
            IntToDoubleFunction normOf = Normalizations.gradientNorms(
                    snapshot.samples(), scores.getFirst().lambda());
            norms = IntStream.range(0, snapshot.samples().rowCount())
                    .mapToDouble(normOf)
                    .toArray();
            gradientNorms = norms;
        }
        return norms;
    }
}
