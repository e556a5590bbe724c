package io.datainf.client;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * How well methods agree with EXACT on some validation points.
 *
 * @param snapshot what was compared on
 * @param methods one entry a method, in the order asked
 * @param exactDuration time of EXACT
 * @param exactReport how its solver ended
 * @param blockNorms how the norms of gradients are distributed, one entry a block
 */
public record MethodComparison(
        InfluenceAnswer.Snapshot snapshot,
        List<Agreement> methods,
        Duration exactDuration,
        SolverReport exactReport,
        List<BlockNorms> blockNorms) {

    public MethodComparison {
        methods = List.copyOf(methods);
        blockNorms = List.copyOf(blockNorms);
    }

    /**
     * How well one method agrees.
     *
     * @param method as the protocol names it, e.g. "INFLUENCE_METHOD_DATAINF"
     * @param points one entry a validation point
     * @param computeDuration time of all points together
     * @param report how its solver ended, for methods that have one
     */
    public record Agreement(
            String method, List<Point> points, Duration computeDuration, Optional<SolverReport> report) {

        public Agreement {
            points = List.copyOf(points);
        }
    }

    /**
     * How well the scores s of one validation point agree with those of EXACT, e.
     *
     * @param pearson correlation of scores; NaN where s or e is constant
     * @param spearman correlation of ranks
     * @param relativeError |s - e| / |e|
     */
    public record Point(double pearson, double spearman, double relativeError) {}

    /**
     * How the norms |g_{k,l}| of one block are distributed over the samples.
     *
     * @param name the block's name
     * @param min least norm
     * @param lowerQuartile a quarter are below
     * @param median half are below
     * @param upperQuartile three quarters are below
     * @param max greatest norm
     */
    public record BlockNorms(
            String name, double min, double lowerQuartile, double median, double upperQuartile, double max) {}

    static MethodComparison of(io.datainf.proto.v1.MethodComparison comparison) {
        return new MethodComparison(
                Decoding.snapshot(comparison.getSnapshot(), 0),
                comparison.getMethodsList().stream()
                        .map(MethodComparison::agreement)
                        .toList(),
                Decoding.duration(comparison.getExactDuration()),
                SolverReport.of(comparison.getExactReport()),
                comparison.getBlockNormsList().stream()
                        .map(norms -> new BlockNorms(
                                norms.getName(),
                                norms.getMin(),
                                norms.getLowerQuartile(),
                                norms.getMedian(),
                                norms.getUpperQuartile(),
                                norms.getMax()))
                        .toList());
    }

    private static Agreement agreement(io.datainf.proto.v1.MethodAgreement method) {
        return new Agreement(
                method.getMethod().name(),
                method.getPointsList().stream()
                        .map(point -> new Point(point.getPearson(), point.getSpearman(), point.getRelativeError()))
                        .toList(),
                Decoding.duration(method.getComputeDuration()),
                method.hasReport() ? Optional.of(SolverReport.of(method.getReport())) : Optional.empty());
    }
}
