package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.run.Run;
import io.datainf.sidecar.query.Normalization;
import io.datainf.sidecar.query.QueryAnswer;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QueryListener;
import io.datainf.sidecar.query.QueryOptions;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.SampleSelection;
import io.datainf.sidecar.query.StoredSamples;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;

/** Keeps the thread that computes queries busy until closed, with a query whose asker takes long to say that it is still there. */
final class BusyExecutor implements AutoCloseable {

    private final CountDownLatch release = new CountDownLatch(1);
    private final CompletableFuture<QueryAnswer> answer = new CompletableFuture<>();

    BusyExecutor(QueryExecutor queries, Run run, long sampleId) throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        Thread submitter = Thread.currentThread();
        QueryPlan plan = new QueryPlan(
                run,
                new StoredSamples(new long[] {sampleId}),
                false,
                new InfluenceMethod.DataInf(),
                List.of(new Damping.Scaled(0.1)),
                new SampleSelection.All(),
                new QueryOptions(false, Normalization.RAW, 0, false));
        queries.submit(
                plan,
                this,
                () -> {
                    if (!Thread.currentThread().equals(submitter)) {
                        running.countDown();
                        awaitRelease();
                    }
                    return false;
                },
                new QueryListener() {
                    @Override
                    public void answered(QueryAnswer answered) {
                        answered.markSent();
                        answer.complete(answered);
                    }

                    @Override
                    public void failed(Throwable cause) {
                        answer.completeExceptionally(cause);
                    }
                });
        running.await();
    }

    private void awaitRelease() {
        try {
            release.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Lets the thread go on. */
    void letGo() {
        release.countDown();
    }

    @Override
    public void close() {
        letGo();
        answer.join().close();
    }
}
