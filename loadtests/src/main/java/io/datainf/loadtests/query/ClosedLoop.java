package io.datainf.loadtests.query;

import io.datainf.client.DataInfClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Clients, each on a connection and a thread of its own, that ask again as soon as they have an answer.
 *
 * @param queries in the order in which their answers came, without the first ones
 * @param queriesPerSecond answers, over the time in which they came
 */
record ClosedLoop(List<TimedQuery> queries, double queriesPerSecond) {

    /**
     * Lets the clients ask for as long as it is said, and measures.
     *
     * @param points one a client
     */
    static ClosedLoop run(List<DataInfClient> clients, StoredRun run, List<float[]> points, Duration duration)
            throws InterruptedException, ExecutionException {
        long deadlineNanos = System.nanoTime() + duration.toNanos();
        List<TimedQuery> all = ask(clients, run, points, deadlineNanos);
        // After the deadline there are fewer and fewer clients.
        all.removeIf(query -> query.endNanos() - deadlineNanos > 0);
        all.sort(Comparator.comparingLong(TimedQuery::endNanos));
        int first = clients.size(); // by then, all ask at the same time
        if (all.size() <= first) {
            throw new IllegalStateException("%d clients got %d answers within %s: expected more than %d"
                    .formatted(clients.size(), all.size(), duration, first));
        }
        List<TimedQuery> kept = all.subList(first, all.size());
        double seconds = (kept.getLast().endNanos() - all.get(first - 1).endNanos()) / 1e9;
        return new ClosedLoop(List.copyOf(kept), kept.size() / seconds);
    }

    /**
     * Lets the clients ask until a time has come.
     *
     * @param deadlineNanos when the last queries may begin, by {@link System#nanoTime}
     * @return all queries, in no order
     */
    static List<TimedQuery> ask(List<DataInfClient> clients, StoredRun run, List<float[]> points, long deadlineNanos)
            throws InterruptedException, ExecutionException {
        List<Callable<List<TimedQuery>>> loops = new ArrayList<>();
        for (int i = 0; i < clients.size(); i++) {
            DataInfClient client = clients.get(i);
            float[] point = points.get(i);
            loops.add(() -> loop(client, run, point, deadlineNanos));
        }
        List<TimedQuery> all = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(clients.size())) {
            for (Future<List<TimedQuery>> queries : threads.invokeAll(loops)) {
                all.addAll(queries.get());
            }
        }
        return all;
    }

    /** Queries in a batch, on average over the batches. */
    double meanBatchWidth() {
        return queries.size()
                / queries.stream()
                        .mapToDouble(query -> 1.0 / query.batchWidth())
                        .sum();
    }

    private static List<TimedQuery> loop(DataInfClient client, StoredRun run, float[] point, long deadlineNanos)
            throws InterruptedException {
        List<TimedQuery> queries = new ArrayList<>();
        while (System.nanoTime() - deadlineNanos < 0) {
            queries.add(TimedQuery.ask(client, run, point));
        }
        return queries;
    }
}
