package io.datainf.engine.store;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;

/**
 * Counts what tests have done to the store. Where the property {@code datainf.counts} names a file, what this JVM has counted is
 * appended to it at its end, a line each: what, a tab, how many. Any number of threads.
 */
public final class FaultCounts {

    private static final Map<String, Long> COUNTS = new TreeMap<>();

    static {
        String file = System.getProperty("datainf.counts");
        if (file != null) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> write(Path.of(file))));
        }
    }

    private FaultCounts() {}

    /** Counts. */
    public static synchronized void add(String what, long count) {
        COUNTS.merge(what, count, Long::sum);
    }

    private static synchronized void write(Path file) {
        StringBuilder lines = new StringBuilder();
        COUNTS.forEach(
                (what, count) -> lines.append(what).append('\t').append(count).append('\n'));
        try {
            Files.writeString(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
