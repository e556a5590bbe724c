package io.datainf.loadtests.query;

import io.datainf.client.DataInfClient;
import io.datainf.client.InfluenceAnswer;
import io.datainf.client.InfluenceQuery;

/**
 * One query for the scores of all samples, as its client saw it.
 *
 * @param endNanos when the answer was there, by {@link System#nanoTime}
 * @param wallMillis from the gradient in an array to the scores in one
 * @param overheadMillis {@code wallMillis} less the times that the answer names: in the queue, and computing
 * @param batchWidth queries that were computed together
 */
public record TimedQuery(long endNanos, double wallMillis, double overheadMillis, int batchWidth) {

    /**
     * Asks.
     *
     * @throws IllegalStateException if the answer is not what the suite measures
     */
    public static TimedQuery ask(DataInfClient client, StoredRun run, float[] point) throws InterruptedException {
        long startNanos = System.nanoTime();
        InfluenceAnswer answer =
                client.query(InfluenceQuery.forGradients(run.id(), point).build());
        long endNanos = System.nanoTime();
        if (answer.scores().count() != run.sampleCount()) {
            throw new IllegalStateException("the answer has %d scores: expected %d"
                    .formatted(answer.scores().count(), run.sampleCount()));
        }
        InfluenceAnswer.Summary summary = answer.summary();
        if (summary.recomputedInDouble()) {
            throw new IllegalStateException("the scores of run '%s' were computed again in double".formatted(run.id()));
        }
        double reportedNanos =
                summary.queueDuration().plus(summary.computeDuration()).toNanos();
        return new TimedQuery(
                endNanos,
                (endNanos - startNanos) / 1e6,
                (endNanos - startNanos - reportedNanos) / 1e6,
                summary.batchQueryCount());
    }
}
