package io.datainf.engine.influence;

import java.util.function.IntToDoubleFunction;
import java.util.function.IntToLongFunction;

/** Selects the samples that rank first. O(n log k) time, O(k) memory. */
public final class TopK {

    private TopK() {}

    /**
     * Returns the ordinals of the {@code count} live samples that rank first, best first; fewer if the set has fewer. Ties go to the
     * smaller sample id (unsigned).
     *
     * @param samples the sample set
     * @param score score of an ordinal
     * @param sampleId sample id of an ordinal
     */
    public static int[] select(
            SampleSet samples, IntToDoubleFunction score, IntToLongFunction sampleId, int count, Ranking ranking) {
        throw new UnsupportedOperationException();
    }
}
