package io.datainf.loadtests.ingest;

import java.time.Duration;

/**
 * How much the suite measures.
 *
 * @param bytes of a transfer
 * @param warmUpRounds before them: until the compilers of the JVMs have done
 * @param rounds in which every route is measured
 * @param variationRounds the same for routes that no target is for
 * @param askedSamples of the run that is asked while others come in
 * @param askedPhase how long it is asked, without and with that
 * @param askedRounds times that it is asked like this
 * @param trainerSteps steps of the trainer with the writer, and as many without
 */
record IngestScale(
        long bytes,
        int warmUpRounds,
        int rounds,
        int variationRounds,
        int askedSamples,
        Duration askedPhase,
        int askedRounds,
        int trainerSteps) {

    static final IngestScale FULL = new IngestScale(1_500_000_000, 2, 5, 2, 384, Duration.ofSeconds(4), 5, 4_000);

    /** Shows that the suite runs. */
    static final IngestScale QUICK = new IngestScale(150_000_000, 1, 1, 1, 96, Duration.ofSeconds(2), 1, 400);
}
