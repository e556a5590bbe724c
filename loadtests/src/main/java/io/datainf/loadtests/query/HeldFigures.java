package io.datainf.loadtests.query;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;

/** What a query costs beside the computation, and what the Java heap takes, while gradients fill the memory outside of it. */
final class HeldFigures {

    private static final int WARM_UP_QUERIES = 10;
    private static final double MOST_OVERHEAD_MILLIS = 2;
    private static final double MOST_HEAP_MEGABYTES = 256;
    private static final double MEGABYTE = 1e6;

    private HeldFigures() {}

    static List<Figure> measure(Bench bench, Scale scale) throws IOException, InterruptedException, ExecutionException {
        StoredRun run = new StoredRun("held", StoredRun.ALL_BLOCKS, scale.heldSamples(), true);
        bench.store(List.of(run));
        List<Figure> figures = new ArrayList<>(overhead(bench, run, scale.heldQueries()));
        long deadlineNanos = System.nanoTime() + scale.heldPhase().toNanos();
        double peak;
        try (HeapWatch watch = new HeapWatch(bench.server())) {
            ClosedLoop.ask(bench.clients(Bench.MAX_CLIENTS), run, bench.points(run), deadlineNanos);
            peak = watch.stop();
        }
        String held = ", %.1f GB held".formatted(run.storedBytes() / 1e9);
        figures.add(Figure.atMost(
                "Java heap, most while 32 clients ask" + held, peak / MEGABYTE, "MB", MOST_HEAP_MEGABYTES));
        bench.server().collectGarbage();
        figures.add(Figure.reported(
                "Java heap, after a collection" + held, bench.server().heapBytes() / MEGABYTE, "MB"));
        bench.delete(List.of(run));
        return figures;
    }

    private static List<Figure> overhead(Bench bench, StoredRun run, int queries) throws InterruptedException {
        List<float[]> points = bench.points(run);
        List<Double> overheads = new ArrayList<>();
        List<Double> walls = new ArrayList<>();
        for (int i = 0; i < WARM_UP_QUERIES + queries; i++) {
            TimedQuery query = TimedQuery.ask(bench.client(), run, points.get(i % points.size()));
            if (i >= WARM_UP_QUERIES) {
                overheads.add(query.overheadMillis());
                walls.add(query.wallMillis());
            }
        }
        String suffix = ", %,d elements asked, %,d scores answered".formatted(run.dimension(), run.sampleCount());
        return List.of(
                Figure.atMost(
                        "gRPC on top, p50" + suffix, Measured.quantile(overheads, 0.5), "ms", MOST_OVERHEAD_MILLIS),
                Figure.reported("gRPC on top, p99" + suffix, Measured.quantile(overheads, 0.99), "ms"),
                Figure.reported("whole query, p50" + suffix, Measured.quantile(walls, 0.5), "ms"));
    }
}
