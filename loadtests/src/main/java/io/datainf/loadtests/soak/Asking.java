package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.client.DataInfException;
import io.datainf.client.InfluenceAnswer;
import io.datainf.client.InfluenceQuery;
import io.grpc.Status;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** A client that asks one query after the other while everything around it breaks. */
final class Asking implements AutoCloseable {

    // The server is down or has just been started, the connection was cut, or nothing is stored yet.
    private static final Set<Status.Code> EXPECTED =
            Set.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED, Status.Code.FAILED_PRECONDITION);
    private static final long PAUSE_MILLIS = 100;

    private final DataInfClient client;
    private final InfluenceQuery query;
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final Future<Long> answered;
    private volatile boolean stopped;

    Asking(DataInfClient client, String runId) {
        this.client = client;
        this.query = InfluenceQuery.forGradients(runId, SoakSample.gradient(-1)).build();
        this.answered = thread.submit(this::ask);
    }

    /** Ends asking; returns how many answers came. */
    long stop() throws InterruptedException, ExecutionException {
        stopped = true;
        return answered.get();
    }

    /** Throws what no query should fail with, if one did. */
    void requireRunning() throws InterruptedException, ExecutionException {
        if (answered.isDone()) {
            throw new IllegalStateException("asking ended after %d answers".formatted(answered.get()));
        }
    }

    private long ask() throws InterruptedException {
        long count = 0;
        while (!stopped) {
            try {
                InfluenceAnswer answer = client.query(query);
                if (answer.scores().count() != answer.snapshot().sampleCount()) {
                    throw new IllegalStateException("%d scores of %d samples"
                            .formatted(
                                    answer.scores().count(), answer.snapshot().sampleCount()));
                }
                count++;
            } catch (DataInfException e) {
                if (!EXPECTED.contains(e.code())) {
                    throw e;
                }
            }
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
        }
        return count;
    }

    @Override
    public void close() {
        stopped = true;
        thread.shutdown();
    }
}
