package io.datainf.loadtests.faults;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The suite "faults"; {@code loadtests/run faults} runs the tests of the store at length and then starts it. */
public final class FaultSuite {

    // It warns of each connection that Unix sockets have no SO_KEEPALIVE.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private FaultSuite() {}

    /**
     * Runs the suite. Properties: {@code datainf.server}, the launcher; {@code datainf.counts}, what the tests counted;
     * {@code datainf.reports}, the folder whose subfolders hold their reports.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        boolean quick = SuiteArguments.quick(arguments);
        List<Figure> figures =
                new ArrayList<>(TestFigures.read(path("datainf.counts"), path("datainf.reports"), quick));
        figures.addAll(WriteRateFigures.measure(quick));
        figures.addAll(RecoveryFigures.measure(path("datainf.server"), quick));
        SuiteReport.of("faults", figures).publish();
    }

    private static Path path(String property) {
        return Path.of(Objects.requireNonNull(System.getProperty(property), property));
    }
}
