package io.datainf.sidecar.metrics;

import java.util.List;
import java.util.Map;

/**
 * What happens now, and has happened in the last minutes.
 *
 * @param windowSeconds how far back latencies and queries go: 5 minutes, or the time since the start
 * @param writers who writes
 * @param samplesPerSecond samples stored, in the last seconds
 * @param bytesPerSecond gradients that arrived, in the last seconds
 * @param samplesPerSecondHistory samples stored, every 5 s, the oldest first
 * @param ack times from the arrival of a batch to its ack
 * @param methods queries by method, all methods
 */
public record ActivityFigures(
        double windowSeconds,
        Writers writers,
        double samplesPerSecond,
        double bytesPerSecond,
        List<Double> samplesPerSecondHistory,
        Latency ack,
        List<Method> methods) {

    public ActivityFigures {
        samplesPerSecondHistory = List.copyOf(samplesPerSecondHistory);
        methods = List.copyOf(methods);
    }

    /**
     * Writers.
     *
     * @param openStreams streams that are open
     * @param heldStreams those of them that are not read, because too much is not durable yet
     * @param pendingBatches batches that arrived and are not durable yet
     */
    public record Writers(long openStreams, long heldStreams, long pendingBatches) {}

    /**
     * Durations, from buckets; NaN where nothing was counted.
     *
     * @param count how many
     * @param medianSeconds half of them took at most that
     * @param p99Seconds 99 % of them took at most that
     */
    public record Latency(long count, double medianSeconds, double p99Seconds) {}

    /**
     * Queries of one method.
     *
     * @param name the method, e.g. datainf
     * @param stages times of those answered, by stage: queue, compute, respond
     */
    public record Method(String name, long answeredCount, long failedCount, Map<String, Latency> stages) {}
}
