package io.datainf.engine.influence;

import java.util.function.IntToDoubleFunction;
import java.util.function.IntToLongFunction;

/** Selects the samples that rank first. O(n log k) time, O(k) memory. */
public final class TopK {

    // A binary heap: the entry that ranks last of those kept is at the root.
    private final int[] ordinals;
    private final double[] keys;
    private final long[] ids;
    private int size;

    private TopK(int capacity) {
        this.ordinals = new int[capacity];
        this.keys = new double[capacity];
        this.ids = new long[capacity];
    }

    /**
     * Returns the ordinals of the {@code count} live samples that rank first, best first; fewer if the set has fewer. Ties go to the
     * smaller sample id (unsigned).
     *
     * @param samples the sample set
     * @param score score of an ordinal
     * @param sampleId sample id of an ordinal
     * @param count at least 1
     */
    public static int[] select(
            SampleSet samples, IntToDoubleFunction score, IntToLongFunction sampleId, int count, Ranking ranking) {
        if (count < 1) {
            throw new IllegalArgumentException("count is %d: expected at least 1".formatted(count));
        }
        TopK heap = new TopK((int) Math.min(count, samples.sampleCount()));
        for (int i = 0; i < samples.rowCount(); i++) {
            if (samples.live(i)) {
                heap.offer(i, key(score.applyAsDouble(i), ranking), sampleId.applyAsLong(i));
            }
        }
        return heap.drain();
    }

    /** A number that is greater the further ahead a score ranks. Adding 0 turns -0 into 0, which ties with it. */
    private static double key(double score, Ranking ranking) {
        return switch (ranking) {
            case MOST_HARMFUL -> score + 0.0;
            case MOST_HELPFUL -> -score + 0.0;
            case ABSOLUTE -> Math.abs(score);
        };
    }

    private void offer(int ordinal, double key, long id) {
        if (size < ordinals.length) {
            set(size, ordinal, key, id);
            size++;
            siftUp(size - 1);
        } else if (ranksBefore(key, id, 0)) {
            set(0, ordinal, key, id);
            siftDown(0);
        }
    }

    /** Empties the heap; the root, which ranks last, goes to the end. */
    private int[] drain() {
        int[] best = new int[size];
        while (size > 0) {
            best[size - 1] = ordinals[0];
            size--;
            set(0, ordinals[size], keys[size], ids[size]);
            siftDown(0);
        }
        return best;
    }

    private void siftUp(int start) {
        int at = start;
        while (at > 0) {
            int parent = (at - 1) / 2;
            if (!ranksBefore(keys[parent], ids[parent], at)) {
                return;
            }
            swap(at, parent);
            at = parent;
        }
    }

    private void siftDown(int start) {
        int at = start;
        while (2 * at + 1 < size) {
            int child = 2 * at + 1;
            if (child + 1 < size && ranksBefore(keys[child], ids[child], child + 1)) {
                child++;
            }
            if (!ranksBefore(keys[at], ids[at], child)) {
                return;
            }
            swap(at, child);
            at = child;
        }
    }

    private boolean ranksBefore(double key, long id, int other) {
        int order = Double.compare(key, keys[other]);
        return order != 0 ? order > 0 : Long.compareUnsigned(id, ids[other]) < 0;
    }

    private void set(int at, int ordinal, double key, long id) {
        ordinals[at] = ordinal;
        keys[at] = key;
        ids[at] = id;
    }

    private void swap(int one, int other) {
        int ordinal = ordinals[one];
        double key = keys[one];
        long id = ids[one];
        set(one, ordinals[other], keys[other], ids[other]);
        set(other, ordinal, key, id);
    }
}
