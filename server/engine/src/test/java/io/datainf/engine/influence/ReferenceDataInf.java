package io.datainf.engine.influence;

import io.datainf.engine.memory.BlockLayout;

/** DataInf and its Hessian-free baseline, straight from the formulas, in float64, on the stored values of live rows. */
final class ReferenceDataInf {

    private static final double DAMPING_SCALE = 0.1;

    private ReferenceDataInf() {}

    /** Scores of all rows, 0 for dead ones, with lambda_l = 0.1 / (n d_l) sum_i q_{i,l}. */
    static double[] scores(StoredSamples samples, float[] v, InfluenceMethod method) {
        return scores(samples, v, method, lambda(samples));
    }

    static double[] scores(StoredSamples samples, float[] v, InfluenceMethod method, double[] lambda) {
        BlockLayout layout = samples.layout;
        double[] scores = new double[samples.rowCount()];
        for (int l = 0; l < layout.blockCount(); l++) {
            if (lambda[l] != 0) {
                double[] h = new double[layout.width(l)];
                for (int e = 0; e < h.length; e++) {
                    h[e] = v[layout.offset(l) + e];
                }
                if (method instanceof InfluenceMethod.DataInf) {
                    h = dataInf(samples, h, l, lambda[l]);
                }
                for (int k = 0; k < scores.length; k++) {
                    if (samples.live(k)) {
                        scores[k] -= dot(h, samples.block(k, l));
                    }
                }
            }
        }
        return scores;
    }

    static double[] lambda(StoredSamples samples) {
        double[] lambda = new double[samples.layout.blockCount()];
        for (int l = 0; l < lambda.length; l++) {
            for (int i = 0; i < samples.rowCount(); i++) {
                if (samples.live(i)) {
                    double[] g = samples.block(i, l);
                    lambda[l] += dot(g, g);
                }
            }
            lambda[l] *= DAMPING_SCALE / ((double) samples.liveCount() * samples.layout.width(l));
        }
        return lambda;
    }

    private static double[] dataInf(StoredSamples samples, double[] v, int l, double lambda) {
        double[] r = new double[v.length];
        for (int i = 0; i < samples.rowCount(); i++) {
            if (samples.live(i)) {
                double[] g = samples.block(i, l);
                double coefficient = dot(v, g) / (lambda + dot(g, g)) / samples.liveCount();
                for (int e = 0; e < r.length; e++) {
                    r[e] += coefficient * g[e];
                }
            }
        }
        double[] h = new double[v.length];
        for (int e = 0; e < h.length; e++) {
            h[e] = (v[e] - r[e]) / lambda;
        }
        return h;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
