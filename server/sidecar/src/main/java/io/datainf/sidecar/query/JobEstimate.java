package io.datainf.sidecar.query;

/**
 * What a job will cost.
 *
 * @param multiplications how many, about; 0 when the result is there already
 * @param computeNanos how long they may take once begun: a guess
 * @param jobsAhead jobs that run or wait before it
 */
public record JobEstimate(double multiplications, long computeNanos, int jobsAhead) {}
