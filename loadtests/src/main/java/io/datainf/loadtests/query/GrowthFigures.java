package io.datainf.loadtests.query;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;
import java.util.function.ToIntFunction;

/** How the time of a lone query grows with the number of samples and with their length; runs are asked in turn. */
final class GrowthFigures {

    private static final double LEAST_EXPONENT = 0.9;
    private static final double MOST_EXPONENT = 1.1;

    private GrowthFigures() {}

    static List<Figure> measure(Bench bench, Scale scale) throws InterruptedException {
        List<StoredRun> bySamples = scale.growthSamples().stream()
                .map(samples -> run(scale.growthSamplesBlocks(), samples))
                .toList();
        List<StoredRun> byDimension = scale.growthBlocks().stream()
                .map(blocks -> run(blocks, scale.growthBlocksSamples()))
                .toList();
        SequencedSet<StoredRun> runs = new LinkedHashSet<>(bySamples);
        runs.addAll(byDimension);
        bench.store(runs);
        Map<StoredRun, List<Double>> millis = new LinkedHashMap<>();
        for (int round = 0; round < scale.rounds(); round++) {
            for (StoredRun run : runs) {
                millis.computeIfAbsent(run, absent -> new ArrayList<>())
                        .add(roundMillis(bench, run, scale.growthQueries()));
            }
        }
        bench.delete(runs);
        List<Figure> figures = new ArrayList<>();
        figures.addAll(figures("n", bySamples, StoredRun::sampleCount, millis));
        figures.addAll(figures("D", byDimension, StoredRun::dimension, millis));
        return figures;
    }

    private static StoredRun run(int blocks, int samples) {
        return new StoredRun("growth-%d-%d".formatted(blocks, samples), blocks, samples, false);
    }

    private static double roundMillis(Bench bench, StoredRun run, int queries) throws InterruptedException {
        List<float[]> points = bench.points(run);
        TimedQuery.ask(bench.client(), run, points.getLast()); // the run before lies in the caches
        List<Double> walls = new ArrayList<>();
        for (float[] point : points.subList(0, queries)) {
            walls.add(TimedQuery.ask(bench.client(), run, point).wallMillis());
        }
        return Measured.median(walls);
    }

    private static List<Figure> figures(
            String symbol, List<StoredRun> runs, ToIntFunction<StoredRun> size, Map<StoredRun, List<Double>> millis) {
        double[] sizes = runs.stream().mapToDouble(size::applyAsInt).toArray();
        double[] medians = runs.stream()
                .mapToDouble(run -> Measured.median(millis.getOrDefault(run, List.of())))
                .toArray();
        List<Figure> figures = new ArrayList<>();
        for (int i = 0; i < sizes.length; i++) {
            String name = "query time, f32, %s = %,.0f".formatted(symbol, sizes[i]);
            figures.add(Figure.reported(name, medians[i], "ms"));
        }
        PowerFit fit = PowerFit.of(sizes, medians);
        figures.add(Figure.between(
                "query time grows with %s to the power of".formatted(symbol),
                fit.exponent(),
                "",
                LEAST_EXPONENT,
                MOST_EXPONENT));
        figures.add(Figure.reported("R^2 of that fit in " + symbol, fit.determination(), ""));
        figures.add(
                Figure.reported("greatest deviation from that fit in " + symbol, 100 * fit.greatestDeviation(), "%"));
        return figures;
    }
}
