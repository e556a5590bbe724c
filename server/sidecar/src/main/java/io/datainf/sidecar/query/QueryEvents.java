package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceMethod;

/** Is told what queries do, for metrics. Called on query and network threads: implementations must not block or throw. */
public interface QueryEvents {

    /**
     * Queries were computed together.
     *
     * @param engineName what computed
     * @param pointCount validation points, over all of them
     * @param computeNanos in the kernels
     * @param scannedBytes bytes of stored gradients that were read for them
     */
    void batchComputed(
            String engineName, InfluenceMethod method, int pointCount, long computeNanos, double scannedBytes);

    /** A query was answered whole. Durations as in the protocol's Summary, nanoseconds. */
    void queryAnswered(InfluenceMethod method, long queueNanos, long computeNanos, long respondNanos);

    /** A query that was accepted into the queue was not answered whole. */
    void queryFailed(InfluenceMethod method, QueryFailure failure);

    /** A query was refused because the queue is full. */
    void queryRefused();
}
