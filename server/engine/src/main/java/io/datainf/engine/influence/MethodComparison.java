package io.datainf.engine.influence;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * How well methods agree with EXACT on some validation points, and how the norms of gradients are spread: the paper's analysis of
 * approximation errors.
 *
 * @param exact EXACT itself, against which the others are measured: its agreement is perfect, its time and report are its own
 * @param methods the methods, in the order asked for
 * @param gradientNorms spread of |g_{k,l}| over the live samples for each block, [L]
 */
public record MethodComparison(
        MethodFigures exact, List<MethodFigures> methods, List<GradientNormSummary> gradientNorms) {

    public MethodComparison {
        methods = List.copyOf(methods);
        gradientNorms = List.copyOf(gradientNorms);
    }

    /**
     * Figures of one method.
     *
     * @param points its agreement with EXACT for each validation point, [m]
     * @param computeDuration time of all points together
     * @param solverReport how well its solver did, if it has one
     */
    public record MethodFigures(
            InfluenceMethod method,
            List<Agreement> points,
            Duration computeDuration,
            Optional<SolverReport> solverReport) {

        public MethodFigures {
            points = List.copyOf(points);
        }
    }

    /**
     * Agreement of the scores s of one validation point with those of EXACT, t, over the live samples.
     *
     * @param pearson correlation of scores; NaN if s or t is constant
     * @param spearman correlation of ranks, ties at their mean rank; NaN if s or t is constant
     * @param relativeError |s - t| / |t|, Euclidean; 0 if both are 0, infinite if only t is
     */
    public record Agreement(double pearson, double spearman, double relativeError) {}

    /**
     * Spread of |g_{k,l}| over the live samples of a block; quartiles by linear interpolation.
     *
     * @param min least
     * @param lowerQuartile a quarter of the samples are below
     * @param median half are below
     * @param upperQuartile three quarters are below
     * @param max greatest
     */
    public record GradientNormSummary(
            double min, double lowerQuartile, double median, double upperQuartile, double max) {}
}
