package io.datainf.loadtests.soak;

import io.datainf.loadtests.ingest.ProcessFigures;
import io.datainf.loadtests.report.Figure;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What a server that is left alone takes over time: memory and open files, looked at once a second. It has just been started; in the
 * first third of the time its heap fills and clients connect, which is no growth that goes on.
 */
final class Flatness {

    private static final double MOST_GROWTH = 1.1;
    private static final long MOST_MORE_FILES = 2;
    private static final int PARTS = 3;

    private final List<Double> residentBytes = new ArrayList<>();
    private final List<Double> openFiles = new ArrayList<>();

    void look(long pid) throws IOException {
        residentBytes.add(ProcessFigures.residentBytes(pid));
        openFiles.add((double) ProcessFigures.openFiles(pid));
    }

    /** The least of the last third beside the least of the second: what comes and goes does not count, what stays does. */
    List<Figure> figures() {
        double before = Collections.min(middle(residentBytes));
        double after = Collections.min(last(residentBytes));
        double minutes = residentBytes.size() / 60.0;
        return List.of(
                Figure.reported("left alone for", minutes, "min"),
                Figure.reported("resident memory of the server, most", Collections.max(residentBytes) / 1e6, "MB"),
                Figure.reported(
                        "resident memory of the server, growth", (after - before) / 1e6 / (minutes / PARTS), "MB/min"),
                Figure.atMost(
                        "resident memory of the server, in the last third / in the second",
                        after / before,
                        "x",
                        MOST_GROWTH),
                Figure.reported("open files of the server, most", Collections.max(openFiles), "files"),
                Figure.atMost(
                        "open files of the server, more in the last third than in the second",
                        Collections.min(last(openFiles)) - Collections.min(middle(openFiles)),
                        "files",
                        MOST_MORE_FILES));
    }

    private static List<Double> middle(List<Double> values) {
        int part = Math.max(1, values.size() / PARTS);
        return values.subList(values.size() - Math.min(values.size(), 2 * part), values.size() - part + 1);
    }

    private static List<Double> last(List<Double> values) {
        return values.subList(values.size() - Math.max(1, values.size() / PARTS), values.size());
    }
}
