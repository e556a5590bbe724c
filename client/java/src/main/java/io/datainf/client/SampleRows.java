package io.datainf.client;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The samples of one call, checked.
 *
 * @param sampleIds ids, [k], none twice
 * @param steps steps, [k], or null
 * @param source copies gradients
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record SampleRows(long[] sampleIds, long @Nullable [] steps, Source source) {

    /** Copies {@code count} rows from row {@code from} on into a little-endian buffer of just their size. */
    @FunctionalInterface
    interface Source {
        void copy(int from, int count, ByteBuffer target);
    }

    static SampleRows of(long[] sampleIds, long[] steps, FloatBuffer rows, int dimension) {
        requireSizes(sampleIds, steps, rows.remaining(), dimension, "elements");
        FloatBuffer all = rows.slice();
        return new SampleRows(
                sampleIds,
                steps.length == 0 ? null : steps,
                (from, count, target) -> target.asFloatBuffer().put(all.slice(from * dimension, count * dimension)));
    }

    static SampleRows of(long[] sampleIds, long[] steps, ByteBuffer rows, int rowBytes) {
        requireSizes(sampleIds, steps, rows.remaining(), rowBytes, "bytes");
        ByteBuffer all = rows.slice();
        return new SampleRows(
                sampleIds,
                steps.length == 0 ? null : steps,
                (from, count, target) -> target.put(all.slice(from * rowBytes, count * rowBytes)));
    }

    int count() {
        return sampleIds.length;
    }

    private static void requireSizes(long[] sampleIds, long[] steps, int size, int rowSize, String unit) {
        if (sampleIds.length == 0) {
            throw new IllegalArgumentException("sampleIds is empty: expected at least 1 id");
        }
        if (size != (long) sampleIds.length * rowSize) {
            throw new IllegalArgumentException("rows has " + size + " " + unit + " for " + sampleIds.length
                    + " samples: expected " + rowSize + " for each");
        }
        if (steps.length != 0 && steps.length != sampleIds.length) {
            throw new IllegalArgumentException("steps has " + steps.length + " entries for " + sampleIds.length
                    + " samples: expected as many, or none");
        }
        long[] sorted = sampleIds.clone();
        Arrays.sort(sorted);
        for (int i = 1; i < sorted.length; i++) {
            if (sorted[i] == sorted[i - 1]) {
                throw new IllegalArgumentException(
                        "sampleIds holds " + Long.toUnsignedString(sorted[i]) + " twice: expected each id once");
            }
        }
    }
}
