package io.datainf.sidecar.query;

import io.datainf.engine.influence.Ranking;

/** Which samples' scores are returned. */
public sealed interface SampleSelection {

    /** Every sample, in the order in which they were stored. */
    record All() implements SampleSelection {}

    /**
     * The samples that rank first, ties by sample id.
     *
     * @param count how many; at least 1, more than n is taken as n
     * @param ranking what ranks first
     */
    record Top(long count, Ranking ranking) implements SampleSelection {

        public Top {
            if (count < 1) {
                throw new IllegalArgumentException("count is %d: expected at least 1".formatted(count));
            }
        }
    }

    /**
     * Given samples, in the order given.
     *
     * @param sampleIds the trainer's ids; at least 1
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over, not shared
    record Given(long[] sampleIds) implements SampleSelection {}
}
