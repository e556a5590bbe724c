package io.datainf.sidecar.admin;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.StorageFigures;
import io.datainf.sidecar.admin.StatusView.ErrorRow;
import io.datainf.sidecar.admin.StatusView.Fact;
import io.datainf.sidecar.admin.StatusView.PlotView;
import io.datainf.sidecar.admin.StatusView.Queries;
import io.datainf.sidecar.admin.StatusView.QueryRow;
import io.datainf.sidecar.admin.StatusView.RateView;
import io.datainf.sidecar.admin.StatusView.RunRow;
import io.datainf.sidecar.admin.StatusView.Runs;
import io.datainf.sidecar.admin.StatusView.Section;
import io.datainf.sidecar.metrics.ActivityFigures;
import io.datainf.sidecar.security.Caller;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Puts together what one caller may see at one moment. Opens no run. */
final class StatusReport {

    /** Runs in the table. */
    static final int MAX_RUNS = 50;

    private static final String UNKNOWN = "–";
    private static final double RATE_WIDTH = 720;
    private static final double RATE_HEIGHT = 60;

    private final StatusSources sources;
    private final Caller caller;
    private final ActivityFigures activity;
    private final StorageFigures storage;

    StatusReport(StatusSources sources, Caller caller) {
        this.sources = sources;
        this.caller = caller;
        this.activity = sources.activity().get();
        this.storage = sources.runs().figures();
    }

    /** What runs here. */
    List<Fact> facts() {
        StatusSources.Server server = sources.server();
        return List.of(
                new Fact("Version", server.version()),
                new Fact("Engine", server.engine()),
                new Fact("Listens on", String.join(", ", server.addresses())),
                new Fact("Up for", Quantities.duration(Duration.between(server.startTime(), Instant.now()))),
                new Fact(
                        "Writes",
                        sources.runs()
                                .writeTrouble()
                                .map(why -> "failing: " + why)
                                .orElse("working")));
    }

    /** Ingest, memory and disk. */
    List<Section> sections() {
        return List.of(
                new Section("ingest", "Live ingest", ingest()),
                new Section("memory", "Memory", memory()),
                new Section("disk", "Disk", disk()));
    }

    private List<Fact> ingest() {
        ActivityFigures.Writers writers = activity.writers();
        return List.of(
                new Fact("Samples stored", Quantities.rate(activity.samplesPerSecond()) + " /s"),
                new Fact("Gradients received", Quantities.bytes(activity.bytesPerSecond()) + "/s"),
                new Fact("Writers", Quantities.count(writers.openStreams())),
                new Fact("Writers held back", Quantities.count(writers.heldStreams())),
                new Fact("Batches not durable yet", Quantities.count(writers.pendingBatches())),
                new Fact(
                        "Bytes not acked yet",
                        Quantities.bytes(sources.unackedBytes().getAsLong())),
                new Fact("Arrival to ack, p50 / p99", quantiles(activity.ack())),
                new Fact(
                        "Queries waiting",
                        Quantities.count(sources.waitingQueries().getAsInt())));
    }

    /** Samples a second, lately. */
    List<RateView> rates() {
        List<Double> history = activity.samplesPerSecondHistory();
        if (history.size() < 2) {
            return List.of();
        }
        double most = history.stream().mapToDouble(Double::doubleValue).max().orElse(0);
        StringBuilder points = new StringBuilder();
        for (int i = 0; i < history.size(); i++) {
            double x = RATE_WIDTH * i / (history.size() - 1);
            double y = RATE_HEIGHT - (most > 0 ? RATE_HEIGHT * history.get(i) / most : 0);
            points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
        }
        String alt = "Samples stored a second over the last %s: at most %s".formatted(window(), Quantities.rate(most));
        return List.of(new RateView(points.toString().strip(), alt));
    }

    /**
     * The newest runs of those in use, then others.
     *
     * @param drawn whose blocks are drawn; empty: those of the newest that holds samples
     */
    Runs runs(Optional<String> drawn) {
        List<Run> open = sources.runs().openRuns().stream()
                .filter(run -> caller.mayUse(run.definition().id().value()))
                .sorted(Comparator.comparing(Run::createTime).reversed())
                .toList();
        List<RunId> others = sources.runs().unopenedRuns().stream()
                .filter(id -> caller.mayUse(id.value()))
                .toList();
        List<RunRow> rows = Stream.concat(
                        open.stream().map(this::row), others.stream().map(this::row))
                .limit(MAX_RUNS)
                .toList();
        long count = (long) open.size() + others.size();
        String shown = count > MAX_RUNS
                ? "%d of %s runs, the newest of those in use first.".formatted(MAX_RUNS, Quantities.count(count))
                : "%d runs.".formatted(count);
        return new Runs(
                rows,
                shown + " Runs that nobody has asked for since the start are not opened to be shown here.",
                plots(open, drawn));
    }

    private static List<PlotView> plots(List<Run> open, Optional<String> drawn) {
        return open.stream()
                .filter(run -> drawn.map(run.definition().id().value()::equals).orElse(run.sampleCount() > 0))
                .findFirst()
                .flatMap(BlockCharts::of)
                .stream()
                .toList();
    }

    /** Queries by method. */
    Queries queries() {
        return new Queries(
                window(), activity.methods().stream().map(StatusReport::row).toList());
    }

    /** What was rejected or failed lately, as far as it is about runs that the caller may use. */
    List<ErrorRow> errors(RecentErrors errors) {
        Predicate<Optional<String>> mayKnow =
                run -> run.map(caller::mayUse).orElse(caller.runs().equals(Caller.ALL_RUNS));
        return errors.newestFirst().stream()
                .filter(entry -> mayKnow.test(entry.run()))
                .map(entry -> new ErrorRow(
                        time(entry.lastTime()),
                        Quantities.count(entry.count()),
                        entry.source(),
                        entry.run().orElse(""),
                        entry.text()))
                .toList();
    }

    static String time(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString().replace('T', ' ').replace("Z", " UTC");
    }

    private RunRow row(Run run) {
        RunId id = run.definition().id();
        BlockLayout layout = run.definition().layout();
        long damaged = run.damagedCount();
        return new RunRow(
                id.value(),
                "?run=" + URLEncoder.encode(id.value(), StandardCharsets.UTF_8),
                List.of(
                        Quantities.count(run.sampleCount()),
                        Quantities.count(layout.dimension()),
                        Quantities.count(layout.blockCount()),
                        Quantities.count(run.revision()),
                        diskBytes(id),
                        time(run.createTime()),
                        damaged == 0 ? "open" : "%s samples damaged".formatted(Quantities.count(damaged))));
    }

    private RunRow row(RunId id) {
        return new RunRow(
                id.value(), "", List.of(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, diskBytes(id), UNKNOWN, "not opened"));
    }

    private static QueryRow row(ActivityFigures.Method method) {
        List<String> cells = new ArrayList<>();
        cells.add(Quantities.count(method.answeredCount()));
        cells.add(Quantities.count(method.failedCount()));
        method.stages().values().forEach(stage -> cells.add(quantiles(stage)));
        return new QueryRow(method.name(), cells);
    }

    private static String quantiles(ActivityFigures.Latency latency) {
        return latency.count() == 0
                ? UNKNOWN
                : "%s / %s"
                        .formatted(
                                Quantities.seconds(latency.medianSeconds()), Quantities.seconds(latency.p99Seconds()));
    }

    private String window() {
        return Quantities.duration(Duration.ofSeconds(Math.round(activity.windowSeconds())));
    }

    private String diskBytes(RunId id) {
        try {
            return Quantities.bytes(sources.runs().diskBytes(id));
        } catch (IOException e) {
            return UNKNOWN;
        }
    }

    private List<Fact> memory() {
        Runtime java = Runtime.getRuntime();
        return List.of(
                new Fact(
                        "Rows",
                        "%s of %s"
                                .formatted(
                                        Quantities.bytes(storage.memoryBytes()),
                                        Quantities.bytes(storage.memoryBudgetBytes()))),
                new Fact(
                        "Samples in memory",
                        "%s of %s"
                                .formatted(
                                        Quantities.count(storage.residentCount()),
                                        Quantities.count(storage.rowCount()))),
                new Fact("Kept for other runs", Quantities.bytes(storage.spareMemoryBytes())),
                new Fact(
                        "Java heap",
                        "%s of %s"
                                .formatted(
                                        Quantities.bytes(java.totalMemory() - java.freeMemory()),
                                        Quantities.bytes(java.maxMemory()))));
    }

    private List<Fact> disk() {
        List<Fact> facts = new ArrayList<>();
        facts.add(new Fact("Data directory", sources.server().dataDirectory().toString()));
        try {
            FileStore disk = Files.getFileStore(sources.server().dataDirectory());
            facts.add(new Fact("Free", Quantities.bytes(disk.getUsableSpace())));
            facts.add(new Fact("Size", Quantities.bytes(disk.getTotalSpace())));
        } catch (IOException e) {
            facts.add(new Fact("Free", "cannot be found out"));
        }
        return facts;
    }
}
