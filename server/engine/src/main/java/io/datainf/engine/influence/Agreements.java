package io.datainf.engine.influence;

import io.datainf.engine.influence.MethodComparison.Agreement;
import io.datainf.engine.influence.MethodComparison.GradientNormSummary;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Correlations, errors and quartiles. Pure functions. */
final class Agreements {

    private Agreements() {}

    /** Agreement of scores with those of EXACT, both [n]. */
    static Agreement of(double[] scores, double[] exact) {
        double squaredError = 0;
        double squares = 0;
        double scale = Arrays.stream(exact).map(Math::abs).max().orElse(0);
        for (int k = 0; k < exact.length && scale > 0; k++) {
            squaredError += (scores[k] - exact[k]) / scale * ((scores[k] - exact[k]) / scale);
            squares += exact[k] / scale * (exact[k] / scale);
        }
        boolean bothZero = Arrays.equals(scores, exact) && scale == 0;
        double relativeError = bothZero ? 0 : scale == 0 ? Double.POSITIVE_INFINITY : Math.sqrt(squaredError / squares);
        return new Agreement(pearson(scores, exact), pearson(ranks(scores), ranks(exact)), relativeError);
    }

    /** Pearson's correlation; NaN if either is constant. */
    static double pearson(double[] a, double[] b) {
        double[] x = standardised(a);
        double[] y = standardised(b);
        double xy = 0;
        double xx = 0;
        double yy = 0;
        for (int k = 0; k < x.length; k++) {
            xy += x[k] * y[k];
            xx += x[k] * x[k];
            yy += y[k] * y[k];
        }
        return xx == 0 || yy == 0 ? Double.NaN : Math.clamp(xy / Math.sqrt(xx * yy), -1, 1);
    }

    /** Moved to a mean of 0 and divided by the greatest that is left, lest squares overflow or vanish. */
    private static double[] standardised(double[] values) {
        double mean = 0;
        for (int k = 0; k < values.length; k++) {
            mean += (values[k] - mean) / (k + 1);
        }
        double middle = mean;
        double[] moved = Arrays.stream(values).map(value -> value - middle).toArray();
        boolean constant = Arrays.stream(values).allMatch(value -> value == values[0]);
        double scale = constant ? 0 : Arrays.stream(moved).map(Math::abs).max().orElse(0);
        return Arrays.stream(moved).map(value -> scale == 0 ? 0 : value / scale).toArray();
    }

    /** Ranks from 0 on; ties share their mean rank. */
    static double[] ranks(double[] values) {
        int[] order = IntStream.range(0, values.length)
                .boxed()
                .sorted((i, k) -> Double.compare(values[i] + 0.0, values[k] + 0.0))
                .mapToInt(Integer::intValue)
                .toArray();
        double[] ranks = new double[values.length];
        int first = 0;
        while (first < order.length) {
            int end = first + 1;
            while (end < order.length && values[order[end]] == values[order[first]]) {
                end++;
            }
            for (int at = first; at < end; at++) {
                ranks[order[at]] = (first + end - 1) / 2.0;
            }
            first = end;
        }
        return ranks;
    }

    /** Spread of the norms of a block over the live samples. */
    static GradientNormSummary normSummary(SampleSet samples, int block) {
        double[] norms = Arrays.stream(samples.liveOrdinals())
                .mapToDouble(k -> Math.sqrt(samples.squaredNorms().get(k, block)))
                .sorted()
                .toArray();
        return new GradientNormSummary(
                norms[0], quantile(norms, 0.25), quantile(norms, 0.5), quantile(norms, 0.75), norms[norms.length - 1]);
    }

    private static double quantile(double[] sorted, double fraction) {
        double at = fraction * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }
}
