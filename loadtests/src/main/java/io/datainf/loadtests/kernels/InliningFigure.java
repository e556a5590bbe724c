package io.datainf.loadtests.kernels;

import io.datainf.loadtests.report.Figure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** Runs {@link KernelBenchmark} in several JVMs and counts the loops that one of them compiled badly. */
final class InliningFigure {

    private static final Path RESULTS = Path.of("loadtests", "target", "results");

    private InliningFigure() {}

    static List<Figure> measure(boolean quick) throws Exception {
        Files.createDirectories(RESULTS);
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(KernelBenchmark.class.getName())
                .shouldFailOnError(true)
                .output(RESULTS.resolve("kernels-jmh.log").toString())
                .resultFormat(ResultFormatType.JSON)
                .result(RESULTS.resolve("kernels-jmh.json").toString());
        if (quick) {
            options = options.forks(2).warmupIterations(4).measurementIterations(1);
        }
        Collection<RunResult> results = new Runner(options.build()).run();
        int slow = (int) results.stream().filter(InliningFigure::lost).count();
        String name = "kernels slower than half of their best measured rate, of %d".formatted(results.size());
        return List.of(Figure.atMost(name, slow, "kernels", 0));
    }

    /** Whether a JVM stayed below half of the rate that another reached. */
    private static boolean lost(RunResult result) {
        double[] best = result.getBenchmarkResults().stream()
                .mapToDouble(InliningFigure::bestRate)
                .sorted()
                .toArray();
        return best[0] < best[best.length - 1] / 2;
    }

    private static double bestRate(BenchmarkResult fork) {
        return fork.getIterationResults().stream()
                .map(IterationResult::getPrimaryResult)
                .mapToDouble(rate -> rate.getScore())
                .max()
                .orElseThrow();
    }
}
