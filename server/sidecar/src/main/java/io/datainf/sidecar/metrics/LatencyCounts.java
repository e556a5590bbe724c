package io.datainf.sidecar.metrics;

import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.distribution.CountAtBucket;
import io.micrometer.core.instrument.distribution.HistogramSnapshot;
import java.util.concurrent.TimeUnit;

/**
 * What a timer with buckets has counted.
 *
 * @param boundSeconds upper ends of the buckets, ascending
 * @param counts how many were at most that, [boundSeconds]
 * @param total how many there were
 */
@SuppressWarnings("ArrayRecordComponent") // not shared
record LatencyCounts(double[] boundSeconds, double[] counts, double total) {

    private static final double MEDIAN = 0.5;
    private static final double LAST_PERCENT = 0.99;

    static LatencyCounts of(Timer timer) {
        HistogramSnapshot snapshot = timer.takeSnapshot();
        CountAtBucket[] buckets = snapshot.histogramCounts();
        double[] bounds = new double[buckets.length];
        double[] counts = new double[buckets.length];
        for (int i = 0; i < buckets.length; i++) {
            bounds[i] = buckets[i].bucket(TimeUnit.SECONDS);
            counts[i] = buckets[i].count();
        }
        return new LatencyCounts(bounds, counts, snapshot.count());
    }

    /** What was counted since then. */
    LatencyCounts since(LatencyCounts before) {
        double[] difference = new double[counts.length];
        for (int i = 0; i < difference.length; i++) {
            difference[i] = counts[i] - before.counts[i];
        }
        return new LatencyCounts(boundSeconds, difference, total - before.total);
    }

    ActivityFigures.Latency latency() {
        return new ActivityFigures.Latency(Math.round(total), quantile(MEDIAN), quantile(LAST_PERCENT));
    }

    /**
     * The value that a share of what was counted does not exceed, taking values as spread evenly over their bucket, as Prometheus does; the
     * greatest bound for what lies beyond it, NaN for nothing counted.
     */
    double quantile(double share) {
        if (total <= 0 || counts.length == 0) {
            return Double.NaN;
        }
        double rank = share * total;
        double lowerBound = 0;
        double lowerCount = 0;
        for (int i = 0; i < counts.length; i++) {
            if (counts[i] >= rank) {
                double inBucket = counts[i] - lowerCount;
                double fraction = inBucket > 0 ? (rank - lowerCount) / inBucket : 0;
                return lowerBound + (boundSeconds[i] - lowerBound) * fraction;
            }
            lowerBound = boundSeconds[i];
            lowerCount = counts[i];
        }
        return lowerBound;
    }
}
