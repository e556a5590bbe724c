package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.client.RunDefinition;

/** Samples whose content follows from their ids, as {@code loadtests/peers/soak_writer.py} makes them too. */
final class SoakSample {

    /** Elements of a sample. */
    static final int DIMENSION = 4_096;

    private static final int BLOCK_WIDTH = 1_024;
    private static final int WRITER_SHIFT = 40;

    private SoakSample() {}

    /** Creates a run for samples; returns its id. */
    static String createRun(DataInfClient client, String runId) {
        RunDefinition.Builder definition = RunDefinition.builder(runId);
        for (int block = 0; block < DIMENSION / BLOCK_WIDTH; block++) {
            definition.block("block%d".formatted(block), 1, BLOCK_WIDTH);
        }
        return client.createRun(definition.build()).runId();
    }

    /** The id of a writer's sample. */
    static long id(int writer, long number) {
        return ((long) writer << WRITER_SHIFT) + number;
    }

    /** Which writer a sample is of. */
    static int writer(long id) {
        return (int) (id >>> WRITER_SHIFT);
    }

    /** Which of that writer's samples it is. */
    static long number(long id) {
        return id & ((1L << WRITER_SHIFT) - 1);
    }

    /** An element of its gradient: 24 bits of a hash of id and position, as a fraction less 1/2. */
    static float element(long id, int position) {
        long mixed = (id * 0x9E3779B97F4A7C15L) ^ (position * 0xBF58476D1CE4E5B9L);
        mixed = (mixed ^ (mixed >>> 29)) * 0x94D049BB133111EBL;
        return (mixed >>> 40) * 0x1p-24f - 0.5f;
    }

    /** Its gradient. */
    static float[] gradient(long id) {
        float[] gradient = new float[DIMENSION];
        for (int k = 0; k < DIMENSION; k++) {
            gradient[k] = element(id, k);
        }
        return gradient;
    }

    /** Whether this is its gradient, bit for bit. */
    static boolean matches(long id, float[] gradient) {
        if (gradient.length != DIMENSION) {
            return false;
        }
        for (int k = 0; k < DIMENSION; k++) {
            if (gradient[k] != element(id, k)) {
                return false;
            }
        }
        return true;
    }
}
