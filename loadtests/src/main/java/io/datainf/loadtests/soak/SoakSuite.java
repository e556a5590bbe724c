package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.loadtests.query.ServerProcess;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The suite "soak"; {@code loadtests/run soak} starts it. */
public final class SoakSuite {

    private static final String RUN_ID = "soak";
    private static final int[] MESSAGE_BYTES = {2 << 20, 4 << 10, 2 << 20, 4 << 10};
    private static final int JAVA_WRITER = 3;
    private static final int MOST_CALM_MILLIS = 1_500;
    private static final Duration PAUSED = Duration.ofSeconds(1);
    private static final int LONG_ROUNDS = 110;
    private static final int QUICK_ROUNDS = 3;
    private static final Duration LONG_LENGTH = Duration.ofMinutes(30);
    private static final Duration QUICK_LENGTH = Duration.ofMinutes(1);
    // The last part of the time in which the server is left alone, and the least of it.
    private static final int ALONE_SHARE = 4;

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private final ServerProcess server;
    private final CuttingProxy proxy;
    private final SplittableRandom random;
    private final List<SoakWriter> writers = new ArrayList<>();
    private int cutCount;

    private SoakSuite(ServerProcess server, CuttingProxy proxy, long seed) {
        this.server = server;
        this.proxy = proxy;
        this.random = new SplittableRandom(seed);
    }

    /**
     * Runs the suite. Properties: {@code datainf.server}, the launcher; {@code datainf.peers.python}, a Python with our client;
     * {@code datainf.seed}, of what breaks when.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        boolean quick = SuiteArguments.quick(arguments);
        Path launcher = Path.of(Objects.requireNonNull(System.getProperty("datainf.server"), "datainf.server"));
        long seed = Long.getLong("datainf.seed", System.nanoTime());
        System.err.println("loadtests: seed " + seed);
        List<Figure> figures;
        // Little memory, so that most rows are in the files only, and what grows is not the run.
        try (ServerProcess server = ServerProcess.start(launcher, List.of("--memory-budget=64MiB"));
                CuttingProxy proxy = new CuttingProxy(server.unixSocket())) {
            figures = new SoakSuite(server, proxy, seed)
                    .soak(quick ? QUICK_ROUNDS : LONG_ROUNDS, quick ? QUICK_LENGTH : LONG_LENGTH);
        }
        SuiteReport.of("soak", figures).publish();
    }

    private List<Figure> soak(int rounds, Duration length) throws Exception {
        long endNanos = System.nanoTime() + length.toNanos();
        List<Figure> figures = new ArrayList<>();
        try (DataInfClient client = DataInfClient.connect(server.target());
                DataInfClient cutClient = DataInfClient.connect(proxy.target());
                Asking asking = new Asking(cutClient, SoakSample.createRun(client, RUN_ID))) {
            for (int number = 0; number < MESSAGE_BYTES.length; number++) {
                // Half of them meet the cuts; the others the ends of the server only.
                String target = number < MESSAGE_BYTES.length / 2 ? proxy.target() : server.target();
                writers.add(new SoakWriter(number, target, RUN_ID, MESSAGE_BYTES[number], number == JAVA_WRITER));
            }
            for (int round = 0; round < rounds; round++) {
                breakThings();
                asking.requireRunning();
                System.err.printf(
                        "round %d: %s acknowledged%n",
                        round + 1, writers.stream().map(SoakWriter::acked).toList());
            }
            Flatness flatness = leaveAlone(endNanos, length);
            for (SoakWriter writer : writers) {
                writer.stop();
            }
            figures.add(Figure.reported("the server killed and started again", rounds, "times"));
            figures.add(Figure.reported("a writer killed and started again", rounds, "times"));
            figures.add(Figure.reported("connections cut", (double) cutCount, "connections"));
            figures.add(Figure.atLeast("queries answered meanwhile", (double) asking.stop(), "queries", 1));
            figures.addAll(new StoredCheck(writers).read(client, RUN_ID));
            figures.addAll(flatness.figures());
        } finally {
            writers.forEach(SoakWriter::close);
        }
        return figures;
    }

    /** Each kind of trouble once, after times of calm of any length. */
    private void breakThings() throws IOException, InterruptedException {
        calm();
        writers.get(random.nextInt(writers.size())).killAndRestart();
        calm();
        cutCount += proxy.cut();
        calm();
        server.pause(PAUSED);
        calm();
        server.killAndRestart();
        for (SoakWriter writer : writers) {
            writer.requireRunning();
        }
    }

    private void calm() throws InterruptedException {
        TimeUnit.MILLISECONDS.sleep(random.nextInt(MOST_CALM_MILLIS));
    }

    /** Lets everybody work undisturbed until the end, and at least for the last part of the time. */
    private Flatness leaveAlone(long endNanos, Duration length) throws IOException, InterruptedException {
        long untilNanos = Math.max(
                        endNanos - System.nanoTime(),
                        length.dividedBy(ALONE_SHARE).toNanos())
                + System.nanoTime();
        Flatness flatness = new Flatness();
        while (System.nanoTime() - untilNanos < 0) {
            TimeUnit.SECONDS.sleep(1);
            flatness.look(server.pid());
        }
        return flatness;
    }
}
