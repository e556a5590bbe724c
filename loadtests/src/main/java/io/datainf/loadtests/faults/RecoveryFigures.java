package io.datainf.loadtests.faults;

import io.datainf.client.DataInfClient;
import io.datainf.loadtests.query.RandomGradients;
import io.datainf.loadtests.query.ServerProcess;
import io.datainf.loadtests.query.StoredRun;
import io.datainf.loadtests.report.Figure;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** How soon a server that was killed serves again, with all samples listed. Its files are in the page cache. */
final class RecoveryFigures {

    private static final double MOST_SECONDS = 2;

    private RecoveryFigures() {}

    static List<Figure> measure(Path launcher, boolean quick) throws IOException, InterruptedException {
        StoredRun run = new StoredRun("recovery", 1, quick ? 10_000 : 100_000, false);
        try (ServerProcess server = ServerProcess.start(launcher, List.of("--memory-budget=4GiB"))) {
            double empty = secondsToServe(server, null);
            try (DataInfClient client = DataInfClient.connect(server.target())) {
                run.store(client, new RandomGradients());
            }
            double held = secondsToServe(server, run);
            double reading = secondsToRead(lastSegment(server.dataDirectory()));
            String samples = "%,d samples".formatted(run.sampleCount());
            return List.of(
                    Figure.reported("killed server serves again, no samples", empty, "s"),
                    Figure.reported("killed server serves again, %s listed".formatted(samples), held, "s"),
                    Figure.reported("one reading of the current segment", reading, "s"),
                    Figure.atMost(
                            "%s listed, later than none, less that reading".formatted(samples),
                            held - empty - reading,
                            "s",
                            MOST_SECONDS));
        }
    }

    /** Kills the server and waits until it serves and, if there is a run, tells how many samples that holds. */
    private static double secondsToServe(ServerProcess server, @Nullable StoredRun run)
            throws IOException, InterruptedException {
        long startNanos = System.nanoTime();
        server.killAndRestart();
        if (run != null) {
            try (DataInfClient client = DataInfClient.connect(server.target())) {
                long listed = client.getRun(run.id()).sampleCount();
                if (listed != run.sampleCount()) {
                    throw new IOException(
                            "the server lists %d samples: expected %d".formatted(listed, run.sampleCount()));
                }
            }
        }
        return (System.nanoTime() - startNanos) / 1e9;
    }

    private static Path lastSegment(Path dataDirectory) throws IOException {
        try (Stream<Path> files = Files.walk(dataDirectory)) {
            return files.filter(file -> file.toString().endsWith(".dseg"))
                    .sorted()
                    .reduce((first, second) -> second)
                    .orElseThrow();
        }
    }

    private static double secondsToRead(Path file) throws IOException {
        long startNanos = System.nanoTime();
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file)) {
            MemorySegment buffer = arena.allocate(4 << 20);
            while (channel.read(buffer.asByteBuffer()) >= 0) {}
        }
        return (System.nanoTime() - startNanos) / 1e9;
    }
}
