package io.datainf.engine.influence;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.GradientMatrix;
import java.util.BitSet;
import java.util.stream.IntStream;

/**
 * The fixed set of samples that a query sees. Rows [0, rowCount) of the matrix are stable; those in {@code deadRows} were
 * replaced or deleted and count for nothing.
 *
 * @param gradients stored gradients, [rowCount, D], but for those that are absent
 * @param squaredNorms q of each row and block
 * @param rowCount rows that belong to the set, dead ones included
 * @param deadRows ordinals of rows that do not count; not changed after construction
 * @param statistics n (live rows) and sum of q over the live rows
 * @param absent rows whose gradients are not in memory
 */
public record SampleSet(
        GradientMatrix gradients,
        SquaredNorms squaredNorms,
        int rowCount,
        BitSet deadRows,
        BlockStatistics statistics,
        AbsentRows absent) {

    /** Samples that are all in memory. */
    public SampleSet(
            GradientMatrix gradients,
            SquaredNorms squaredNorms,
            int rowCount,
            BitSet deadRows,
            BlockStatistics statistics) {
        this(gradients, squaredNorms, rowCount, deadRows, statistics, AbsentRows.NONE);
    }

    public SampleSet {
        if (rowCount < 0 || rowCount > gradients.rowCount() || rowCount > squaredNorms.rowCount()) {
            throw new IllegalArgumentException("rowCount is %d: expected 0 to %d, the rows held"
                    .formatted(rowCount, Math.min(gradients.rowCount(), squaredNorms.rowCount())));
        }
        int liveCount = rowCount - deadRows.cardinality();
        if (deadRows.length() > rowCount || statistics.sampleCount() != liveCount) {
            throw new IllegalArgumentException(
                    "statistics are of %d samples: expected %d, those of %d rows that are not dead"
                            .formatted(statistics.sampleCount(), liveCount, rowCount));
        }
    }

    /** The blocks of a row. */
    public BlockLayout layout() {
        return gradients.layout();
    }

    /** Number of samples that count, n. */
    public long sampleCount() {
        return statistics.sampleCount();
    }

    /** Whether a row counts. */
    public boolean live(int ordinal) {
        return !deadRows.get(ordinal);
    }

    /** Whether all rows that count are in memory. */
    boolean inMemory() {
        return absent.ordinals().isEmpty();
    }

    /** Rows that count, in order. */
    int[] liveOrdinals() {
        return IntStream.range(0, rowCount).filter(this::live).toArray();
    }

    /** Greatest |g_{k,l}| of a block. O(n). */
    double greatestNorm(int block) {
        double greatest = 0;
        for (int k = 0; k < rowCount; k++) {
            if (live(k)) {
                greatest = Math.max(greatest, squaredNorms.get(k, block));
            }
        }
        return Math.sqrt(greatest);
    }
}
