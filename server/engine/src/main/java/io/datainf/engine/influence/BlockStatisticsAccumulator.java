package io.datainf.engine.influence;

/**
 * Builds {@link BlockStatistics} sample by sample. The sums are Neumaier's compensated sums in order of arrival: their
 * error does not grow with n, and the same samples in the same order give the same bits. There is no way to take a sample
 * back: sum the ones that are left again.
 *
 * <p>Not safe for concurrent use.
 */
public final class BlockStatisticsAccumulator {

    private final double[] sums;
    private final double[] compensations;
    private long sampleCount;
    private long zeroSampleCount;

    /** Starts with no samples. */
    public BlockStatisticsAccumulator(int blockCount) {
        this.sums = new double[blockCount];
        this.compensations = new double[blockCount];
    }

    /**
     * Adds a sample.
     *
     * @param squaredNorms q_l of the sample, [L]
     */
    public void add(double[] squaredNorms) {
        if (squaredNorms.length != sums.length) {
            throw new IllegalArgumentException(
                    "squaredNorms has %d entries: expected %d".formatted(squaredNorms.length, sums.length));
        }
        double total = 0;
        for (int l = 0; l < sums.length; l++) {
            add(l, squaredNorms[l]);
            total += squaredNorms[l];
        }
        count(total);
    }

    /** Adds the sample of row {@code ordinal} of a table. */
    public void add(SquaredNorms squaredNorms, long ordinal) {
        if (squaredNorms.blockCount() != sums.length) {
            throw new IllegalArgumentException(
                    "squaredNorms has %d blocks: expected %d".formatted(squaredNorms.blockCount(), sums.length));
        }
        double total = 0;
        for (int l = 0; l < sums.length; l++) {
            double q = squaredNorms.get(ordinal, l);
            add(l, q);
            total += q;
        }
        count(total);
    }

    /** Returns the statistics of the samples added so far. */
    public BlockStatistics snapshot() {
        double[] totals = new double[sums.length];
        for (int l = 0; l < totals.length; l++) {
            totals[l] = sums[l] + compensations[l];
        }
        return new BlockStatistics(sampleCount, zeroSampleCount, totals);
    }

    private void count(double squaredNorm) {
        sampleCount++;
        zeroSampleCount += squaredNorm == 0 ? 1 : 0;
    }

    /** Neumaier (1974): whichever of the two addends is smaller loses digits; they are kept apart. */
    private void add(int l, double q) {
        double sum = sums[l];
        double next = sum + q;
        compensations[l] += Math.abs(sum) >= Math.abs(q) ? (sum - next) + q : (q - next) + sum;
        sums[l] = next;
    }
}
