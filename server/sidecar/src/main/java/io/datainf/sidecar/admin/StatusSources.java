package io.datainf.sidecar.admin;

import io.datainf.engine.run.RunRegistry;
import io.datainf.sidecar.metrics.ActivityFigures;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * Where the status page has its figures from.
 *
 * @param server what does not change
 * @param runs the runs
 * @param activity what happens now
 * @param unackedBytes gradients that arrived and are not durable yet
 * @param waitingQueries queries that wait for their turn
 */
public record StatusSources(
        Server server,
        RunRegistry runs,
        Supplier<ActivityFigures> activity,
        LongSupplier unackedBytes,
        IntSupplier waitingQueries) {

    /**
     * What does not change while the server runs.
     *
     * @param version of the server
     * @param engine what computes
     * @param addresses where it listens
     * @param dataDirectory where runs are stored
     * @param startTime when it started
     */
    public record Server(
            String version, String engine, List<String> addresses, Path dataDirectory, Instant startTime) {}
}
