package io.datainf.engine.influence;

import java.util.function.IntToDoubleFunction;

/** Scores made comparable over samples. Pure functions. */
public final class Normalizations {

    private Normalizations() {}

    /**
     * score / (|h| |g_k|): minus the cosine of the angle between h and g_k, -1 to 1 but for rounding; 0 if either norm is 0.
     *
     * @param score score of the sample
     * @param inverseHvpNorm |h|, {@link InfluenceScores#inverseHvpNorm}
     * @param gradientNorm |g_k| over the same blocks, {@link #gradientNorms}
     */
    public static double cosine(double score, double inverseHvpNorm, double gradientNorm) {
        return inverseHvpNorm == 0 || gradientNorm == 0 ? 0 : score / inverseHvpNorm / gradientNorm;
    }

    /**
     * score_k / sqrt(- self_k), RelatIF (Barshan et al., AISTATS 2020, arXiv 2003.11630): influence for each unit of what the sample does to
     * the model; 0 if its self-influence is 0.
     *
     * @param score score of the sample
     * @param selfInfluence its score on itself, at most 0
     */
    public static double relatif(double score, double selfInfluence) {
        return selfInfluence == 0 ? 0 : score / Math.sqrt(-selfInfluence);
    }

    /**
     * Returns |g_k| of a row over the blocks that are not skipped.
     *
     * @param lambda damping of the blocks, [L]; 0 for a skipped block
     */
    public static IntToDoubleFunction gradientNorms(SampleSet samples, double[] lambda) {
        return ordinal -> {
            double sum = 0;
            for (int l = 0; l < lambda.length; l++) {
                sum += lambda[l] == 0 ? 0 : samples.squaredNorms().get(ordinal, l);
            }
            return Math.sqrt(sum);
        };
    }
}
