package io.datainf.client;

import java.time.Duration;

/**
 * The influence of samples on themselves, by DataInf.
 *
 * @param snapshot what it was computed from
 * @param values score of each sample for itself, at most 0
 * @param cost what it was going to cost
 * @param computeDuration what it took; next to nothing when the result was kept
 */
public record SelfInfluence(
        InfluenceAnswer.Snapshot snapshot, InfluenceAnswer.PointScores values, Cost cost, Duration computeDuration) {

    /**
     * What a job will cost.
     *
     * @param multiplications how many, about; 0 when the result is there already
     * @param computeDuration how long they may take once begun: a guess from earlier work of the server
     * @param jobCountAhead jobs that wait or run before it
     */
    public record Cost(double multiplications, Duration computeDuration, int jobCountAhead) {}
}
