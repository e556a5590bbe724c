package io.datainf.loadtests.faults;

import io.datainf.loadtests.report.Figure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the tests of the store have done and found. Each fails at the first sample that is lost, doubled or invented. */
final class TestFigures {

    private static final String KILLS = "kill -9 rounds";
    private static final String SEQUENCES = "random sequences against a model";
    private static final String UNIT = "times";
    private static final Map<String, Double> AT_LEAST = Map.of(KILLS, 200.0, SEQUENCES, 2_000.0);
    private static final Pattern REPORT = Pattern.compile(
            "<testsuite [^>]*tests=\"(\\d+)\" errors=\"(\\d+)\" skipped=\"(\\d+)\" failures=\"(\\d+)\"");

    private TestFigures() {}

    /**
     * Reads the figures.
     *
     * @param counts lines of what was counted, a tab, and how often; the same may come several times
     * @param reports folder with the folders of JUnit's reports
     * @param quick whether the long versions were not run, to which targets belong
     */
    static List<Figure> read(Path counts, Path reports, boolean quick) throws IOException {
        List<Figure> figures = new ArrayList<>(testFigures(reports));
        Map<String, Double> sums = new TreeMap<>();
        for (String line : Files.readAllLines(counts)) {
            String[] fields = line.split("\t", -1);
            sums.merge(fields[0], Double.parseDouble(fields[1]), Double::sum);
        }
        if (!sums.keySet().containsAll(AT_LEAST.keySet())) {
            throw new IOException("%s counts %s: expected %s among them".formatted(counts, sums, AT_LEAST.keySet()));
        }
        sums.forEach((what, count) -> {
            Double least = AT_LEAST.get(what);
            figures.add(
                    least == null || quick
                            ? Figure.reported(what, count, UNIT)
                            : Figure.atLeast(what, count, UNIT, least));
        });
        return figures;
    }

    private static List<Figure> testFigures(Path reports) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(reports, 2)) {
            files = all.filter(file -> file.getFileName().toString().matches("TEST-.*\\.xml"))
                    .toList();
        }
        int run = 0;
        int failed = 0;
        int skipped = 0;
        for (Path file : files) {
            Matcher suite = REPORT.matcher(Files.readString(file).replaceAll("\\s+", " "));
            if (!suite.find()) {
                throw new IOException("%s: expected a testsuite with its counts".formatted(file));
            }
            run += Integer.parseInt(suite.group(1));
            failed += Integer.parseInt(suite.group(2)) + Integer.parseInt(suite.group(4));
            skipped += Integer.parseInt(suite.group(3));
        }
        return List.of(
                Figure.atLeast("tests of the store", run - skipped, "tests", 1),
                Figure.reported("tests skipped, for want of rights", skipped, "tests"),
                Figure.atMost("tests that found a sample lost, doubled, invented or untold", failed, "tests", 0));
    }
}
