package io.datainf.engine.influence;

import io.datainf.engine.memory.BlockLayout;

/** All methods, straight from the formulas, in float64, on the stored values of live rows. */
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
                h = inverseHvp(samples, h, l, lambda[l], method);
                for (int k = 0; k < scores.length; k++) {
                    if (samples.live(k)) {
                        scores[k] -= dot(h, samples.block(k, l));
                    }
                }
            }
        }
        return scores;
    }

    /** h of one block. */
    static double[] inverseHvp(StoredSamples samples, double[] v, int l, double lambda, InfluenceMethod method) {
        return switch (method) {
            case InfluenceMethod.DataInf() -> dataInf(samples, v, l, lambda);
            case InfluenceMethod.HessianFree() -> v;
            case InfluenceMethod.Lissa(int iterations, double alpha) ->
                lissa(samples, v, l, -lambda, iterations, alpha);
            case InfluenceMethod.LissaReference(int iterations, double alpha) ->
                lissa(samples, v, l, lambda, iterations, alpha);
            case InfluenceMethod.Exact exact -> solve(hessian(samples, l, lambda), v);
        };
    }

    private static double[] lissa(
            StoredSamples samples, double[] v, int l, double signedLambda, int iterations, double alpha) {
        double[] r = v.clone();
        for (int t = 0; t < iterations; t++) {
            double[] next = new double[r.length];
            for (int e = 0; e < r.length; e++) {
                next[e] = r[e] + alpha * (v[e] + signedLambda * r[e]);
            }
            for (int i = 0; i < samples.rowCount(); i++) {
                if (samples.live(i)) {
                    double[] g = samples.block(i, l);
                    double coefficient = alpha * dot(r, g) / samples.liveCount();
                    for (int e = 0; e < r.length; e++) {
                        next[e] -= coefficient * g[e];
                    }
                }
            }
            r = next;
        }
        return r;
    }

    private static double[][] hessian(StoredSamples samples, int l, double lambda) {
        int width = samples.layout.width(l);
        double[][] hessian = new double[width][width];
        for (int i = 0; i < samples.rowCount(); i++) {
            double[] g = samples.live(i) ? samples.block(i, l) : new double[width];
            for (int e = 0; e < width; e++) {
                for (int f = 0; f < width; f++) {
                    hessian[e][f] += g[e] * g[f] / samples.liveCount();
                }
            }
        }
        for (int e = 0; e < width; e++) {
            hessian[e][e] += lambda;
        }
        return hessian;
    }

    /** Gaussian elimination, which needs no pivoting for a positive definite matrix. Changes the matrix. */
    private static double[] solve(double[][] a, double[] b) {
        double[] x = b.clone();
        for (int k = 0; k < x.length; k++) {
            for (int i = k + 1; i < x.length; i++) {
                double factor = a[i][k] / a[k][k];
                for (int j = k; j < x.length; j++) {
                    a[i][j] -= factor * a[k][j];
                }
                x[i] -= factor * x[k];
            }
        }
        for (int k = x.length - 1; k >= 0; k--) {
            for (int j = k + 1; j < x.length; j++) {
                x[k] -= a[k][j] * x[j];
            }
            x[k] /= a[k][k];
        }
        return x;
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
