package io.datainf.engine.influence;

import io.datainf.engine.memory.BlockLayout;

/** DataInf and its Hessian-free baseline, straight from the formulas, in float64. */
final class ReferenceDataInf {

    private ReferenceDataInf() {}

    /** Scores, [n], with lambda_l = 0.1 / (n d_l) sum_i q_{i,l}. */
    static double[] scores(BlockLayout layout, float[][] train, float[] v, InfluenceMethod method) {
        return scores(layout, train, v, method, lambda(layout, train));
    }

    static double[] scores(BlockLayout layout, float[][] train, float[] v, InfluenceMethod method, double[] lambda) {
        double[] scores = new double[train.length];
        for (int l = 0; l < layout.blockCount(); l++) {
            if (lambda[l] != 0) {
                double[] h = switch (method) {
                    case InfluenceMethod.DataInf() -> dataInf(layout, train, v, l, lambda[l]);
                    case InfluenceMethod.HessianFree() -> block(layout, v, l);
                };
                for (int k = 0; k < train.length; k++) {
                    scores[k] -= dot(h, block(layout, train[k], l));
                }
            }
        }
        return scores;
    }

    static double[] lambda(BlockLayout layout, float[][] train) {
        double[] lambda = new double[layout.blockCount()];
        for (int l = 0; l < lambda.length; l++) {
            for (float[] row : train) {
                double[] g = block(layout, row, l);
                lambda[l] += dot(g, g);
            }
            lambda[l] *= 0.1 / ((double) train.length * layout.width(l));
        }
        return lambda;
    }

    private static double[] dataInf(BlockLayout layout, float[][] train, float[] v, int l, double lambda) {
        double[] vl = block(layout, v, l);
        double[] r = new double[vl.length];
        for (float[] row : train) {
            double[] g = block(layout, row, l);
            double coefficient = dot(vl, g) / (lambda + dot(g, g)) / train.length;
            for (int i = 0; i < r.length; i++) {
                r[i] += coefficient * g[i];
            }
        }
        double[] h = new double[vl.length];
        for (int i = 0; i < h.length; i++) {
            h[i] = (vl[i] - r[i]) / lambda;
        }
        return h;
    }

    private static double[] block(BlockLayout layout, float[] row, int l) {
        double[] block = new double[layout.width(l)];
        for (int i = 0; i < block.length; i++) {
            block[i] = row[layout.offset(l) + i];
        }
        return block;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
