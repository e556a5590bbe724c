package io.datainf.loadtests.query;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.function.ToDoubleFunction;

/** Latency and queries a second of 1, 8 and 32 clients, in alternating rounds, with rows in float32 and in bfloat16. */
final class ThroughputFigures {

    private static final List<Integer> CLIENTS = List.of(1, 8, Bench.MAX_CLIENTS);
    private static final double LEAST_GAIN = 5;

    private ThroughputFigures() {}

    static List<Figure> measure(Bench bench, Scale scale) throws InterruptedException, ExecutionException {
        StoredRun float32 = new StoredRun("clients-f32", StoredRun.ALL_BLOCKS, scale.throughputSamples(), false);
        StoredRun bfloat16 = new StoredRun("clients-bf16", StoredRun.ALL_BLOCKS, scale.throughputSamples(), true);
        List<StoredRun> runs = List.of(float32, bfloat16);
        bench.store(runs);
        Map<Load, List<ClosedLoop>> rounds = new LinkedHashMap<>();
        for (int round = 0; round < scale.rounds(); round++) {
            for (StoredRun run : runs) {
                List<float[]> points = bench.points(run);
                for (int clients : CLIENTS) {
                    ClosedLoop loop = ClosedLoop.run(bench.clients(clients), run, points, scale.phase());
                    rounds.computeIfAbsent(new Load(run, clients), load -> new ArrayList<>())
                            .add(loop);
                    System.err.printf(
                            "round %d, %s, %d clients: %.2f queries/s in batches of %.1f%n",
                            round + 1, run.id(), clients, loop.queriesPerSecond(), loop.meanBatchWidth());
                }
            }
        }
        bench.delete(runs);
        List<Figure> figures = new ArrayList<>();
        rounds.forEach((load, loops) -> figures.addAll(load.figures(loops)));
        double gain = gain(float32, rounds);
        figures.add(Figure.atLeast("queries/s of 32 clients / of 1 client, f32", gain, "x", LEAST_GAIN));
        figures.add(Figure.reported("queries/s of 32 clients / of 1 client, bf16", gain(bfloat16, rounds), "x"));
        return figures;
    }

    private static double gain(StoredRun run, Map<Load, List<ClosedLoop>> rounds) {
        return speed(rounds, new Load(run, Bench.MAX_CLIENTS)) / speed(rounds, new Load(run, 1));
    }

    private static double speed(Map<Load, List<ClosedLoop>> rounds, Load load) {
        return overRounds(rounds.getOrDefault(load, List.of()), ClosedLoop::queriesPerSecond);
    }

    private static double overRounds(List<ClosedLoop> loops, ToDoubleFunction<ClosedLoop> what) {
        return Measured.median(loops.stream().map(what::applyAsDouble).toList());
    }

    /** So many clients that ask a run. */
    private record Load(StoredRun run, int clients) {

        List<Figure> figures(List<ClosedLoop> loops) {
            List<Double> walls = loops.stream()
                    .flatMap(loop -> loop.queries().stream())
                    .map(TimedQuery::wallMillis)
                    .toList();
            String suffix = ", %s, %.1f GB, %d %s"
                    .formatted(
                            run.bfloat16() ? "bf16" : "f32",
                            run.storedBytes() / 1e9,
                            clients,
                            clients == 1 ? "client" : "clients");
            return List.of(
                    Figure.reported("queries/s" + suffix, overRounds(loops, ClosedLoop::queriesPerSecond), "1/s"),
                    Figure.reported("p50" + suffix, Measured.quantile(walls, 0.5), "ms"),
                    Figure.reported("p99" + suffix, Measured.quantile(walls, 0.99), "ms"),
                    Figure.reported("batch width" + suffix, overRounds(loops, ClosedLoop::meanBatchWidth), "queries"));
        }
    }
}
