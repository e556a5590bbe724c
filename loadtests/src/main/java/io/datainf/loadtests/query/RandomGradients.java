package io.datainf.loadtests.query;

import java.util.Random;
import java.util.SplittableRandom;

/**
 * Gradients of samples, the same for the same id. Elements are normal: each gradient is a window, at a place of its own, of a long
 * random sequence, times a factor of its own, which costs no more than a copy.
 */
public final class RandomGradients {

    private static final int SEQUENCE_ELEMENTS = 1 << 24;
    private static final long SEED = 20231002;

    private final float[] sequence = new float[SEQUENCE_ELEMENTS];

    /** Makes the sequence. */
    public RandomGradients() {
        Random random = new Random(SEED);
        for (int i = 0; i < sequence.length; i++) {
            sequence[i] = (float) random.nextGaussian();
        }
    }

    /** Returns the gradient of a sample, {@code dimension} elements. */
    public float[] of(long sampleId, int dimension) {
        SplittableRandom random = new SplittableRandom(SEED + sampleId);
        int begin = random.nextInt(sequence.length - dimension);
        float factor = (float) random.nextDouble(0.5, 2);
        float[] gradient = new float[dimension];
        for (int i = 0; i < dimension; i++) {
            gradient[i] = factor * sequence[begin + i];
        }
        return gradient;
    }
}
