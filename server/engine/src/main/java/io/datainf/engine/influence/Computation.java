package io.datainf.engine.influence;

import static java.util.stream.Collectors.partitioningBy;

import io.datainf.engine.kernel.GradientKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** One computation of scores: which precision, for which validation points and dampings, and how far to trust the result. */
final class Computation {

    /** Columns that share a reading of the rows. Bounds the memory that a computation needs. */
    static final int MAX_COLUMNS = 32;

    // Squares of norms within which float32 holds every intermediate value: see WeightedSums.
    private static final double LEAST_SQUARE = 0x1p-120;
    private static final double GREATEST_SQUARE = 0x1p120;

    private final InfluenceRequest request;
    private final SampleSet samples;
    private final Numerics numerics;
    private final KernelPool pool;
    private final Work work;
    private final GradientKernels single;
    private final GradientKernels exact;
    private final List<DampingAnswer> answers = new ArrayList<>();

    /**
     * Prepares the computation.
     *
     * @param single kernels of float32
     * @param exact kernels of float64
     */
    Computation(
            InfluenceRequest request,
            Numerics numerics,
            KernelPool pool,
            Work work,
            GradientKernels single,
            GradientKernels exact) {
        this.request = request;
        this.samples = request.samples();
        this.numerics = numerics;
        this.pool = pool;
        this.work = work;
        this.single = single;
        this.exact = exact;
    }

    /** Runs the computation. The caller closes the scores, one for each damping. */
    List<InfluenceScores> run() {
        try {
            for (Damping damping : request.dampings()) {
                answers.add(new DampingAnswer(request, damping));
            }
            if (request.method() instanceof InfluenceMethod.Exact method) {
                work.begins(WorkMonitor.Stage.INVERSE_HVP); // block by block, each with its scores
                ColumnGroup all = new ColumnGroup(new int[Math.min(request.validationCount(), MAX_COLUMNS)], answers);
                new ExactComputation(request, method, answers, context(false, all), numerics.exactSolver()).run();
            } else {
                Map<Boolean, List<DampingAnswer>> bySingle = answers.stream().collect(partitioningBy(this::usesSingle));
                computeGroups(bySingle.getOrDefault(true, List.of()), true);
                computeGroups(bySingle.getOrDefault(false, List.of()), false);
            }
            work.finish();
            return answers.stream().map(DampingAnswer::scores).toList();
        } catch (Throwable e) {
            answers.forEach(DampingAnswer::close);
            throw e;
        }
    }

    private void computeGroups(List<DampingAnswer> dampings, boolean inSingle) {
        int dampingsPerGroup = Math.clamp(dampings.size(), 1, MAX_COLUMNS);
        int pointsPerGroup = MAX_COLUMNS / dampingsPerGroup;
        List<ColumnGroup> groups = new ArrayList<>();
        for (int point = 0; point < request.validationCount(); point += pointsPerGroup) {
            int pointEnd = Math.min(point + pointsPerGroup, request.validationCount());
            for (int damping = 0; damping < dampings.size(); damping += dampingsPerGroup) {
                int dampingEnd = Math.min(damping + dampingsPerGroup, dampings.size());
                groups.add(new ColumnGroup(
                        IntStream.range(point, pointEnd).toArray(), dampings.subList(damping, dampingEnd)));
            }
        }
        groups.forEach(group -> work.expect(cost(context(inSingle, group), group)));
        for (ColumnGroup group : groups) {
            scan(group, inSingle);
            if (samples.sampleCount() > numerics.doubleUpToSamples()) {
                group.dampings().forEach(damping -> recompute(damping, group.points(), inSingle));
            }
        }
    }

    /** Computes points again in float64 whose error float32 left too great, or says that they were computed in float64 at once. */
    private void recompute(DampingAnswer damping, int[] points, boolean computedInSingle) {
        if (!computedInSingle) {
            damping.setRecomputed();
            return;
        }
        int[] remaining = Arrays.stream(points)
                .filter(point -> !(damping.relativeError(point) <= numerics.greatestError()))
                .toArray();
        if (remaining.length > 0) {
            damping.setRecomputed();
            Arrays.stream(remaining).forEach(damping.table()::clear);
            ColumnGroup group = new ColumnGroup(remaining, List.of(damping));
            work.expect(cost(context(false, group), group));
            scan(group, false);
        }
    }

    /** All passes for some columns. */
    private void scan(ColumnGroup group, boolean inSingle) {
        ScanContext context = context(inSingle, group);
        ColumnSource validation = new ValidationColumns(request, group.points());
        work.begins(WorkMonitor.Stage.INVERSE_HVP);
        try (InverseHvp hvp = inverseHvp(context, group, validation)) {
            ScoreScan scan = new ScoreScan(context, hvp, group);
            work.begins(WorkMonitor.Stage.SCORES);
            scan.run();
            if (inSingle && products()) {
                new ErrorAudit(context, exact, hvp, group, validation).run(scan, numerics.auditAbove());
            }
            for (int j = 0; j < group.columnCount(); j++) {
                int point = group.point(j);
                if (!inSingle && !Double.isFinite(scan.greatestScore(j))) {
                    throw new ArithmeticException(
                            "scores of validation point %d exceed float64: the damping is too small for these gradients"
                                    .formatted(point));
                }
                group.damping(j).setFigures(point, scan.relativeError(j), hvp.norm(j));
            }
        }
    }

    /** Whether errors come from products with v, which can be measured. */
    private boolean products() {
        return request.method() instanceof InfluenceMethod.DataInf
                || request.method() instanceof InfluenceMethod.HessianFree;
    }

    private InverseHvp inverseHvp(ScanContext context, ColumnGroup group, ColumnSource validation) {
        return switch (request.method()) {
            case InfluenceMethod.DataInf() -> DirectPass.dataInf(context, group, validation);
            case InfluenceMethod.HessianFree() -> DirectPass.hessianFree(context, group, validation);
            case InfluenceMethod.Lissa(int iterations, double alpha) ->
                new LissaPass(context, group, validation, iterations, alpha, -1).run();
            case InfluenceMethod.LissaReference(int iterations, double alpha) ->
                new LissaPass(context, group, validation, iterations, alpha, 1).run();
            case InfluenceMethod.Exact exact -> throw new AssertionError(exact);
        };
    }

    private double cost(ScanContext context, ColumnGroup group) {
        double first = switch (request.method()) {
            case InfluenceMethod.DataInf() -> DirectPass.dataInfCost(context, group);
            case InfluenceMethod.HessianFree() -> 0;
            case InfluenceMethod.Lissa lissa -> LissaPass.cost(context, group, lissa.iterations());
            case InfluenceMethod.LissaReference lissa -> LissaPass.cost(context, group, lissa.iterations());
            case InfluenceMethod.Exact exact -> throw new AssertionError(exact);
        };
        return first + ScoreScan.cost(context, group);
    }

    private ScanContext context(boolean inSingle, ColumnGroup group) {
        GradientKernels kernels = inSingle ? single : exact;
        double[] lambda = group.dampings().getFirst().lambda(); // the same blocks are skipped under all
        ScanPlan plan =
                ScanPlan.of(samples, lambda, kernels.preferredElements(group.columnCount()), kernels.tileRows());
        return new ScanContext(plan, kernels, inSingle, pool, work);
    }

    private boolean usesSingle(DampingAnswer damping) {
        return samples.sampleCount() > numerics.doubleUpToSamples() && fitsSinglePrecision(samples, damping.lambda());
    }

    /** Whether all norms and dampings leave room for products in float32. */
    static boolean fitsSinglePrecision(SampleSet samples, double[] lambda) {
        BlockStatistics statistics = samples.statistics();
        for (int l = 0; l < lambda.length; l++) {
            double sum = statistics.squaredNormSums()[l];
            double least = Math.min(lambda[l], sum / statistics.sampleCount());
            if (sum != 0 && (least < LEAST_SQUARE || Math.max(lambda[l], sum) > GREATEST_SQUARE)) {
                return false;
            }
        }
        return true;
    }
}
