package io.datainf.loadtests.query;

import io.datainf.client.DataInfClient;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The suite "overmemory", a run of four times the memory for rows; {@code loadtests/run overmemory} starts it. */
public final class OverMemorySuite {

    private static final long FULL_BUDGET_BYTES = 1L << 30;
    private static final long QUICK_BUDGET_BYTES = 128L << 20;
    private static final int TIMES_BUDGET = 4;
    private static final int ROUNDS = 3;
    private static final int TOGETHER = 8;
    // DataInf reads the rows for r, and again for the scores.
    private static final int READINGS = 2;
    // What the server may take beside rows: buffers of 256 MiB, heap of 256 MiB, JVM, network, sums and scores.
    private static final long BESIDE_ROWS_BYTES = 1L << 30;

    // As in QuerySuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private final ServerProcess server;
    private final StoredRun run;
    private final RandomGradients gradients = new RandomGradients();
    private final List<Double> diskRates = new ArrayList<>();
    private final List<Double> queryRates = new ArrayList<>();
    private final List<Double> aloneMillis = new ArrayList<>();
    private final List<Double> togetherMillis = new ArrayList<>();

    private OverMemorySuite(ServerProcess server, StoredRun run) {
        this.server = server;
        this.run = run;
    }

    /**
     * Runs the suite.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        long budget = SuiteArguments.quick(arguments) ? QUICK_BUDGET_BYTES : FULL_BUDGET_BYTES;
        long limit = budget + BESIDE_ROWS_BYTES;
        Path launcher =
                Path.of(Objects.requireNonNull(System.getProperty("datainf.server"), "property datainf.server"));
        StoredRun one = new StoredRun("over", StoredRun.ALL_BLOCKS, 1, false);
        StoredRun run =
                new StoredRun("over", StoredRun.ALL_BLOCKS, (int) (TIMES_BUDGET * budget / one.storedBytes()), false);
        Optional<MemoryCgroup> cgroup = MemoryCgroup.create(limit);
        List<Figure> figures = new ArrayList<>();
        try {
            Path program = cgroup.isPresent() ? cgroup.get().wrap(launcher) : launcher;
            try (ServerProcess server = ServerProcess.start(program, List.of("--memory-budget=" + budget))) {
                figures.addAll(new OverMemorySuite(server, run).measure());
                double resident = server.peakResidentBytes();
                figures.add(Figure.reported("memory for rows", budget / 1e9, "GB"));
                figures.add(Figure.reported("run / memory for rows", (double) run.storedBytes() / budget, "x"));
                figures.add(Figure.atMost("peak resident set / (memory for rows + 1 GiB)", resident / limit, "x", 1));
                if (cgroup.isPresent()) {
                    figures.add(Figure.reported("limit of the memory cgroup that all of it ran in", limit / 1e9, "GB"));
                }
            }
        } finally {
            cgroup.ifPresent(MemoryCgroup::close);
        }
        SuiteReport.of("overmemory", figures).publish();
    }

    private List<Figure> measure() throws Exception {
        try (DataInfClient client = DataInfClient.connect(server.target())) {
            run.store(client, gradients);
            double rowBytes = (double) run.storedBytes() / run.sampleCount();
            double absent = run.sampleCount() - server.metric("datainf_samples_resident");
            DiskReading disk = new DiskReading(server.dataDirectory(), run.id());
            TimedQuery.ask(client, run, point(0));
            for (int round = 1; round <= ROUNDS; round++) {
                diskRates.add(disk.bytesPerSecond());
                double millis = TimedQuery.ask(client, run, point(round)).wallMillis();
                aloneMillis.add(millis);
                queryRates.add(READINGS * absent * rowBytes / millis * 1e3);
                togetherMillis.add(together());
                System.err.printf(
                        "disk %.2f GB/s, query %.2f GB/s, %.0f ms, %d queries %.0f ms%n",
                        diskRates.getLast() / 1e9,
                        queryRates.getLast() / 1e9,
                        millis,
                        TOGETHER,
                        togetherMillis.getLast());
            }
            double diskRate = Measured.median(diskRates);
            double queryRate = Measured.median(queryRates);
            return List.of(
                    Figure.reported("sequential rate of the disk, dd of " + disk.request(), diskRate / 1e9, "GB/s"),
                    Figure.reported("samples in files only", absent / run.sampleCount(), "x"),
                    Figure.reported("one query, m = 1", Measured.median(aloneMillis), "ms"),
                    Figure.reported("rate of a query from the disk, m = 1", queryRate / 1e9, "GB/s"),
                    Figure.atLeast("rate of a query / rate of the disk", queryRate / diskRate, "x", 0.8),
                    Figure.reported(
                            TOGETHER + " queries at once / one query",
                            Measured.median(togetherMillis) / Measured.median(aloneMillis),
                            "x"));
        }
    }

    /** Some queries at once, each on a connection of its own; returns how long all take. */
    private double together() throws Exception {
        List<DataInfClient> clients = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(TOGETHER)) {
            List<Future<TimedQuery>> queries = new ArrayList<>();
            for (int i = 0; i < TOGETHER; i++) {
                clients.add(DataInfClient.connect(server.target()));
            }
            long startNanos = System.nanoTime();
            for (int i = 0; i < TOGETHER; i++) {
                DataInfClient client = clients.get(i);
                float[] point = point(100 + i);
                queries.add(threads.submit(() -> TimedQuery.ask(client, run, point)));
            }
            for (Future<TimedQuery> query : queries) {
                query.get();
            }
            return (System.nanoTime() - startNanos) / 1e6;
        } finally {
            clients.forEach(DataInfClient::close);
        }
    }

    /** The gradient of a validation point, which is no sample's. */
    private float[] point(int number) {
        return gradients.of(-1 - number, run.dimension());
    }
}
