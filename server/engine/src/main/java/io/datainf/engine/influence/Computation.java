package io.datainf.engine.influence;

import io.datainf.engine.kernel.GradientKernels;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/** One computation of scores: which precision, for which validation points, and how far to trust the result. */
final class Computation {

    /** Validation points that share a reading of the rows. Bounds the memory that a computation needs. */
    private static final int MAX_COLUMNS = 32;

    // Squares of norms within which float32 holds every intermediate value: see InverseHvpPass.
    private static final double LEAST_SQUARE = 0x1p-120;
    private static final double GREATEST_SQUARE = 0x1p120;

    private final InfluenceRequest request;
    private final double[] lambda;
    private final Numerics numerics;
    private final KernelPool pool;
    private final Cancellation cancellation;
    private final double[] relativeErrors; // [m]
    private final double[] hvpNorms; // [m]
    private boolean recomputed;

    Computation(
            InfluenceRequest request, Damping damping, Numerics numerics, KernelPool pool, Cancellation cancellation) {
        this.request = request;
        this.lambda = lambda(request.samples(), damping);
        this.numerics = numerics;
        this.pool = pool;
        this.cancellation = cancellation;
        this.relativeErrors = new double[request.validationCount()];
        this.hvpNorms = new double[request.validationCount()];
    }

    /** Runs the computation. The caller closes the scores. */
    InfluenceScores run(GradientKernels single, GradientKernels exact) {
        SampleSet samples = request.samples();
        ScoreTable table =
                new ScoreTable(lambda.length, request.validationCount(), samples.rowCount(), request.perBlock());
        try {
            for (int first = 0; first < request.validationCount(); first += MAX_COLUMNS) {
                int end = Math.min(first + MAX_COLUMNS, request.validationCount());
                computePoints(IntStream.range(first, end).toArray(), single, exact, table);
            }
            return new InfluenceScores(table, lambda, errorBound(), recomputed, hvpNorms, null);
        } catch (Throwable e) {
            table.close();
            throw e;
        }
    }

    private void computePoints(int[] points, GradientKernels single, GradientKernels exact, ScoreTable table) {
        int[] remaining = points;
        if (request.samples().sampleCount() > numerics.doubleUpToSamples()) {
            if (fitsSinglePrecision()) {
                scan(points, single, table);
                remaining = Arrays.stream(points)
                        .filter(point -> !(relativeErrors[point] <= numerics.greatestError()))
                        .toArray();
            }
            recomputed |= remaining.length > 0;
        }
        if (remaining.length > 0) {
            double[] greatestScores = scan(remaining, exact, table);
            for (int j = 0; j < remaining.length; j++) {
                if (!Double.isFinite(greatestScores[j])) {
                    throw new ArithmeticException(
                            "scores of validation point %d exceed float64: the damping is too small for these gradients"
                                    .formatted(remaining[j]));
                }
            }
        }
    }

    /** Both passes for some validation points. Returns the greatest absolute score of each. */
    private double[] scan(int[] points, GradientKernels kernels, ScoreTable table) {
        ScanPlan plan = ScanPlan.of(request.samples(), lambda, kernels.preferredElements(points.length));
        double[] greatestScores = new double[points.length];
        try (InverseHvp hvp = new InverseHvpPass(request, lambda, points, kernels, plan, pool, cancellation).run()) {
            ScoreScan scan = new ScoreScan(hvp, kernels, plan, points, table, cancellation);
            scan.run(pool);
            for (int j = 0; j < points.length; j++) {
                relativeErrors[points[j]] = scan.relativeError(j);
                greatestScores[j] = scan.greatestScore(j);
                hvpNorms[points[j]] = hvp.norm(j);
            }
        }
        return greatestScores;
    }

    private boolean fitsSinglePrecision() {
        BlockStatistics statistics = request.samples().statistics();
        for (int l = 0; l < lambda.length; l++) {
            double sum = statistics.squaredNormSums()[l];
            double least = Math.min(lambda[l], sum / statistics.sampleCount());
            if (sum != 0 && (least < LEAST_SQUARE || Math.max(lambda[l], sum) > GREATEST_SQUARE)) {
                return false;
            }
        }
        return true;
    }

    private OptionalDouble errorBound() {
        double greatest = 0;
        for (double error : relativeErrors) {
            greatest = Math.max(greatest, error);
        }
        return Double.isFinite(greatest) ? OptionalDouble.of(greatest) : OptionalDouble.empty();
    }

    private static double[] lambda(SampleSet samples, Damping damping) {
        double[] lambda = damping.lambda(samples.layout(), samples.statistics());
        for (int l = 0; l < lambda.length; l++) {
            boolean zeroBlock = samples.statistics().squaredNormSums()[l] == 0;
            if (zeroBlock ? lambda[l] != 0 : !(lambda[l] > 0) || Double.isInfinite(lambda[l])) {
                throw new IllegalArgumentException(
                        "damping of block '%s' comes to %s: expected a finite number greater than 0"
                                .formatted(samples.layout().blocks().get(l).name(), lambda[l]));
            }
        }
        return lambda;
    }
}
