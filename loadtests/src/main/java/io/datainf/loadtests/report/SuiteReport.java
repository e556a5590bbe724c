package io.datainf.loadtests.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The figures of one suite, and where they were measured.
 *
 * @param suite name of the suite, e.g. "kernels"
 * @param commit what was measured
 * @param machine where
 * @param figures in the order of the table
 */
public record SuiteReport(String suite, String commit, String machine, List<Figure> figures) {

    /** Folder of the files, seen from the root of the repository, where suites run. */
    private static final Path RESULTS = Path.of("loadtests", "target", "results");

    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create();

    public SuiteReport {
        figures = List.copyOf(figures);
        Set<String> names = new HashSet<>();
        for (Figure figure : figures) {
            if (!names.add(figure.name())) {
                throw new IllegalArgumentException("figure '%s' occurs twice".formatted(figure.name()));
            }
        }
    }

    /** Makes the report of this commit on this machine. */
    public static SuiteReport of(String suite, List<Figure> figures) throws IOException, InterruptedException {
        return new SuiteReport(suite, Commit.current(), Machine.describe(), figures);
    }

    /** Prints the table and writes {@code loadtests/target/results/<suite>.json} under the working directory. */
    public void publish() throws IOException {
        Path file = RESULTS.resolve(suite + ".json");
        writeTo(file);
        System.out.println(table());
        System.out.println("written to " + file);
    }

    /** Writes all fields as JSON; folders are made. */
    void writeTo(Path file) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.writeString(file, GSON.toJson(this) + "\n");
    }

    /** A table in Markdown. */
    String table() {
        StringBuilder table = new StringBuilder()
                .append("suite %s, commit %s%n%s%n%n".formatted(suite, commit, machine))
                .append("| figure | value | target | met |%n|---|---|---|---|%n".formatted());
        for (Figure figure : figures) {
            table.append("| %s | %s %s | %s | %s |%n"
                    .formatted(
                            figure.name(),
                            figure.rounded(),
                            figure.unit(),
                            figure.target() == null ? "" : figure.target(),
                            figure.met() == null ? "" : figure.met() ? "yes" : "NO"));
        }
        return table.toString();
    }
}
