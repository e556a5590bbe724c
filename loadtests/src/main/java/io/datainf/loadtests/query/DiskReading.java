package io.datainf.loadtests.query;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Reads files from the disk as fast as dd does, past the page cache. */
final class DiskReading {

    // Small requests wait for each other, large ones are cut up and run side by side: whichever is faster here.
    private static final List<String> REQUESTS = List.of("4M", "16M", "64M");

    private final List<Path> files;
    private final String request;

    /** Prepares to read the segments of a run, with requests of the size that turns out to be the fastest. */
    DiskReading(Path dataDirectory, String runId) throws IOException, InterruptedException {
        try (Stream<Path> all = Files.list(dataDirectory.resolve("runs").resolve(runId))) {
            files = all.filter(file -> file.toString().endsWith(".dseg"))
                    .sorted()
                    .toList();
        }
        String best = REQUESTS.getFirst();
        double least = Double.POSITIVE_INFINITY;
        for (String candidate : REQUESTS) {
            double seconds = read(files.getFirst(), candidate);
            best = seconds < least ? candidate : best;
            least = Math.min(least, seconds);
        }
        request = best;
    }

    /** Reads everything once; returns bytes a second. */
    double bytesPerSecond() throws IOException, InterruptedException {
        double bytes = 0;
        double seconds = 0;
        for (Path file : files) {
            bytes += Files.size(file);
            seconds += read(file, request);
        }
        return bytes / seconds;
    }

    /** The size of the requests. */
    String request() {
        return request;
    }

    private static double read(Path file, String request) throws InterruptedException {
        long startNanos = System.nanoTime();
        try {
            Process dd = new ProcessBuilder("dd", "if=" + file, "of=/dev/null", "bs=" + request, "iflag=direct")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (dd.waitFor() != 0) {
                throw new IllegalStateException("dd cannot read %s directly".formatted(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return (System.nanoTime() - startNanos) / 1e9;
    }
}
