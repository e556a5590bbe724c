package io.datainf.loadtests.query;

import java.time.Duration;
import java.util.List;

/**
 * How much is measured.
 *
 * @param rounds times that everything that is compared is measured, in turn
 * @param throughputSamples samples, n, of the runs that many clients ask
 * @param phase how long the clients of one round ask
 * @param growthSamples n of the runs by whose answers the growth with n is seen
 * @param growthSamplesBlocks blocks of a sample in those
 * @param growthBlocks blocks of a sample in the runs by whose answers the growth with D is seen
 * @param growthBlocksSamples n of those
 * @param growthQueries queries to each of those runs in a round
 * @param heldSamples n of the run that fills memory
 * @param heldQueries queries of a lone client to it
 * @param heldPhase how long many clients ask it
 */
record Scale(
        int rounds,
        int throughputSamples,
        Duration phase,
        List<Integer> growthSamples,
        int growthSamplesBlocks,
        List<Integer> growthBlocks,
        int growthBlocksSamples,
        int growthQueries,
        int heldSamples,
        int heldQueries,
        Duration heldPhase) {

    /** What the targets are for: 2 GB of float32, and 8 GB held. */
    static final Scale FULL = new Scale(
            3,
            1_344,
            Duration.ofSeconds(7),
            List.of(84, 168, 336, 672, 1_344),
            StoredRun.ALL_BLOCKS,
            List.of(12, 24, 48, StoredRun.ALL_BLOCKS),
            1_344,
            3,
            10_240,
            50,
            Duration.ofSeconds(15));

    /** Shows that the suite runs. */
    static final Scale QUICK = new Scale(
            2,
            192,
            Duration.ofSeconds(3),
            List.of(96, 192, 384, 768, 1_536),
            12,
            List.of(12, 24, 48, StoredRun.ALL_BLOCKS),
            192,
            5,
            1_300,
            30,
            Duration.ofSeconds(4));
}
