package io.datainf.engine.influence;

import java.util.LinkedHashSet;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The answer for one damping while it comes into being. Methods that change it are called by one thread at a time. */
final class DampingAnswer implements AutoCloseable {

    private final double[] lambda;
    private final ScoreTable table;
    private final double[] relativeErrors; // [m]
    private final double[] hvpNorms; // [m]
    private boolean recomputed;
    private @Nullable SolverReport report;

    /**
     * Allocates the scores of a request.
     *
     * @param damping one of its dampings
     * @throws IllegalArgumentException if the damping does not fit the blocks or comes to a value that is not finite and greater than 0
     */
    DampingAnswer(InfluenceRequest request, Damping damping) {
        SampleSet samples = request.samples();
        this.lambda = lambda(samples, damping);
        this.relativeErrors = new double[request.validationCount()];
        this.hvpNorms = new double[request.validationCount()];
        this.table = new ScoreTable(lambda.length, request.validationCount(), samples.rowCount(), request.perBlock());
    }

    /** lambda_l, [L]; 0 for skipped blocks. */
    double[] lambda() {
        return lambda;
    }

    ScoreTable table() {
        return table;
    }

    double relativeError(int point) {
        return relativeErrors[point];
    }

    void setFigures(int point, double relativeError, double hvpNorm) {
        relativeErrors[point] = relativeError;
        hvpNorms[point] = hvpNorm;
    }

    /**
     * EXACT: adds what some blocks come to.
     *
     * @param hvpNorm |h| over these blocks
     * @param error bound on the error of any score
     */
    synchronized void addExact(int point, double hvpNorm, double error) {
        hvpNorms[point] = Math.hypot(hvpNorms[point], hvpNorm);
        relativeErrors[point] += error; // absolute until finishExact
    }

    /** EXACT: sets errors in relation to the scores, once all blocks are added. */
    void finishExact(SampleSet samples) {
        for (int point = 0; point < relativeErrors.length; point++) {
            double greatest = 0;
            for (int k = 0; k < samples.rowCount(); k++) {
                greatest = Math.max(greatest, Math.abs(table.score(point, k)));
            }
            if (!Double.isFinite(greatest)) {
                throw new ArithmeticException(
                        "scores of validation point %d exceed float64: the damping is too small for these gradients"
                                .formatted(point));
            }
            relativeErrors[point] = relativeErrors[point] == 0 ? 0 : relativeErrors[point] / greatest;
        }
    }

    void setRecomputed() {
        recomputed = true;
    }

    /** Adds what a solver reports about some blocks or points. */
    void addReport(SolverReport other) {
        SolverReport sofar = report;
        if (sofar == null) {
            report = other;
            return;
        }
        Set<String> solvers = new LinkedHashSet<>(Set.of(sofar.solver().split("\\+", -1)));
        solvers.add(other.solver());
        report = new SolverReport(
                sofar.converged() && other.converged(),
                Math.max(sofar.iterations(), other.iterations()),
                Math.max(sofar.relativeResidual(), other.relativeResidual()),
                String.join("+", solvers.stream().sorted().toList()));
    }

    /** Returns the scores, which take this answer's memory over. */
    InfluenceScores scores() {
        return new InfluenceScores(table, lambda, errorBound(), recomputed, hvpNorms, report);
    }

    private OptionalDouble errorBound() {
        double greatest = 0;
        for (double error : relativeErrors) {
            greatest = Math.max(greatest, error);
        }
        return Double.isFinite(greatest) ? OptionalDouble.of(greatest) : OptionalDouble.empty();
    }

    @Override
    public void close() {
        table.close();
    }

    /** Returns lambda_l of a damping for some samples, [L], checked. */
    static double[] lambda(SampleSet samples, Damping damping) {
        double[] lambda = damping.lambda(samples.layout(), samples.statistics());
        for (int l = 0; l < lambda.length; l++) {
            boolean zeroBlock = samples.statistics().squaredNormSums()[l] == 0;
            if (zeroBlock ? lambda[l] != 0 : !(lambda[l] > 0) || Double.isInfinite(lambda[l])) {
                throw new IllegalArgumentException(
                        "damping of block '%s' comes to %s: expected a finite number greater than 0"
                                .formatted(samples.layout().blocks().get(l).name(), lambda[l]));
            }
        }
        return lambda;
    }
}
