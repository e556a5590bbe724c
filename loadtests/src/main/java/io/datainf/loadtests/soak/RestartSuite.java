package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.loadtests.query.ServerProcess;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * The suite "restart"; {@code loadtests/run restart} starts it. A server is stopped by SIGTERM and started again, as an update does, while
 * writers write and a client asks.
 */
public final class RestartSuite {

    private static final String RUN_ID = "restart";
    private static final int[] MESSAGE_BYTES = {2 << 20, 2 << 20};
    private static final int JAVA_WRITER = 1;
    private static final int LONG_ROUNDS = 10;
    private static final int QUICK_ROUNDS = 2;
    private static final Duration CALM = Duration.ofSeconds(15); // the kernels are warm again
    private static final double MOST_PAUSE_SECONDS = 5;

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private RestartSuite() {}

    /**
     * Runs the suite. Properties: {@code datainf.server}, the launcher; {@code datainf.peers.python}, a Python with our client.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        int rounds = SuiteArguments.quick(arguments) ? QUICK_ROUNDS : LONG_ROUNDS;
        Path launcher = Path.of(Objects.requireNonNull(System.getProperty("datainf.server"), "datainf.server"));
        List<Figure> figures;
        try (ServerProcess server = ServerProcess.start(launcher, List.of("--memory-budget=1GiB"))) {
            figures = restart(server, rounds);
        }
        SuiteReport.of("restart", figures).publish();
    }

    private static List<Figure> restart(ServerProcess server, int rounds) throws Exception {
        List<Figure> figures = new ArrayList<>();
        List<SoakWriter> writers = new ArrayList<>();
        try (DataInfClient client = DataInfClient.connect(server.target());
                Asking asking = new Asking(client, SoakSample.createRun(client, RUN_ID))) {
            for (int number = 0; number < MESSAGE_BYTES.length; number++) {
                writers.add(
                        new SoakWriter(number, server.target(), RUN_ID, MESSAGE_BYTES[number], number == JAVA_WRITER));
            }
            List<Double> pauses = new ArrayList<>();
            for (int round = 0; round < rounds; round++) {
                TimeUnit.NANOSECONDS.sleep(CALM.toNanos());
                asking.requireRunning();
                try (PauseWatch watch = new PauseWatch(writers)) {
                    server.stopAndRestart();
                    watch.awaitProgress();
                    pauses.add(watch.longestSeconds());
                }
                System.err.printf("round %d: a writer waited for %.2f s%n", round + 1, pauses.getLast());
            }
            for (SoakWriter writer : writers) {
                writer.stop();
            }
            pauses.sort(null);
            figures.add(Figure.reported("the server stopped and started again", rounds, "times"));
            figures.add(Figure.reported(
                    "longest time without an acknowledgement, median of restarts", pauses.get(pauses.size() / 2), "s"));
            figures.add(Figure.atMost(
                    "longest time without an acknowledgement, worst", pauses.getLast(), "s", MOST_PAUSE_SECONDS));
            figures.add(Figure.atLeast(
                    "queries answered meanwhile, none failed for good", (double) asking.stop(), "queries", 1));
            figures.addAll(new StoredCheck(writers).read(client, RUN_ID));
        } finally {
            writers.forEach(SoakWriter::close);
        }
        return figures;
    }
}
