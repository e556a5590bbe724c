package io.datainf.loadtests.ingest;

import io.datainf.client.DataInfClient;
import io.datainf.loadtests.query.RandomGradients;
import io.datainf.loadtests.query.StoredRun;
import io.datainf.loadtests.query.TimedQuery;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** How long a lone client waits for answers while samples of another run come in as fast as they can, beside how long otherwise. */
final class AskedFigures {

    private static final double MOST_RATIO = 3;
    private static final int USUAL_BLOCKS = 96;
    private static final int WARM_UP_QUERIES = 5;
    private static final int TRANSFERS = 2;

    private final Senders senders;
    private final DataInfClient client;
    private final Route route;
    private final StoredRun run;
    private final float[] point;
    private final List<Double> idleMillis = new ArrayList<>();
    private final List<Double> busyMillis = new ArrayList<>();
    private final List<Double> ratios = new ArrayList<>();
    private final List<Double> rates = new ArrayList<>();

    private AskedFigures(Senders senders, DataInfClient client, Route route, int samples) throws InterruptedException {
        this.senders = senders;
        this.client = client;
        this.route = route;
        this.run = new StoredRun("asked", USUAL_BLOCKS, samples, false);
        RandomGradients gradients = new RandomGradients();
        run.store(client, gradients);
        this.point = gradients.of(-1, run.dimension());
    }

    static List<Figure> measure(Senders senders, DataInfClient client, Route route, IngestScale scale)
            throws IOException, InterruptedException, ExecutionException {
        AskedFigures asked = new AskedFigures(senders, client, route, scale.askedSamples());
        try {
            for (int i = 0; i < WARM_UP_QUERIES; i++) {
                asked.ask();
            }
            for (int round = 0; round < scale.askedRounds(); round++) {
                double idle = asked.idle(scale.askedPhase());
                double busy = asked.busy(scale.bytes());
                asked.ratios.add(busy / idle);
            }
        } finally {
            client.deleteRun(asked.run.id());
        }
        return asked.figures();
    }

    private double idle(Duration phase) throws InterruptedException {
        List<Double> millis = new ArrayList<>();
        long deadlineNanos = System.nanoTime() + phase.toNanos();
        while (System.nanoTime() - deadlineNanos < 0) {
            millis.add(ask().wallMillis());
        }
        idleMillis.addAll(millis);
        return Measured.median(millis);
    }

    /** Asks while transfers run, and leaves out what was answered when they were over. */
    private double busy(long bytes) throws IOException, InterruptedException, ExecutionException {
        List<Double> millis = new ArrayList<>();
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            for (int i = 0; i < TRANSFERS; i++) {
                Senders.Running running = senders.begin(route, bytes);
                Future<Transfer> transfer = thread.submit(running::await);
                while (true) {
                    double wallMillis = ask().wallMillis();
                    if (transfer.isDone()) {
                        break;
                    }
                    millis.add(wallMillis);
                }
                rates.add(transfer.get().gigabytesPerSecond());
            }
        }
        if (millis.isEmpty()) {
            throw new IllegalStateException("no query was answered while %d bytes came in".formatted(bytes));
        }
        busyMillis.addAll(millis);
        return Measured.median(millis);
    }

    private TimedQuery ask() throws InterruptedException {
        return TimedQuery.ask(client, run, point);
    }

    private List<Figure> figures() {
        String suffix = ", n = %,d, D = %,d".formatted(run.sampleCount(), run.dimension());
        return List.of(
                Figure.reported("query, nothing comes in, p50" + suffix, Measured.median(idleMillis), "ms"),
                Figure.reported("query, samples come in, p50" + suffix, Measured.median(busyMillis), "ms"),
                Figure.reported("query, samples come in, p99" + suffix, Measured.quantile(busyMillis, 0.99), "ms"),
                Figure.atMost(
                        "query, samples come in / nothing comes in, p50", Measured.median(ratios), "x", MOST_RATIO),
                Figure.reported("samples that come in meanwhile, " + route.name(), Measured.median(rates), "GB/s"));
    }
}
