package io.datainf.loadtests.query;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The suite "query"; {@code loadtests/run query} starts it. */
public final class QuerySuite {

    // Half of the machine's memory, the default, is little on small ones.
    private static final List<String> SERVER_OPTIONS = List.of("--memory-budget=12GiB");

    // It warns of each connection that Unix sockets have no SO_KEEPALIVE. Held here, because log managers hold loggers
    // weakly.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private QuerySuite() {}

    /**
     * Runs the suite.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        Scale scale = SuiteArguments.quick(arguments) ? Scale.QUICK : Scale.FULL;
        Path launcher =
                Path.of(Objects.requireNonNull(System.getProperty("datainf.server"), "property datainf.server"));
        List<Figure> figures = new ArrayList<>();
        try (ServerProcess server = ServerProcess.start(launcher, SERVER_OPTIONS);
                Bench bench = new Bench(server)) {
            figures.addAll(ThroughputFigures.measure(bench, scale));
            figures.addAll(GrowthFigures.measure(bench, scale));
            figures.addAll(HeldFigures.measure(bench, scale));
        }
        SuiteReport.of("query", figures).publish();
    }
}
