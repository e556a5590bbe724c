package io.datainf.engine.influence;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.function.BooleanSupplier;

/** How scores are compared: row-wise, relative to the greatest absolute score of the validation point. */
final class ScoreAssertions {

    private ScoreAssertions() {}

    /** Computes a request of one damping. */
    static InfluenceScores onlyScores(InfluenceCalculator calculator, InfluenceRequest request) {
        return onlyScores(calculator, request, () -> false);
    }

    static InfluenceScores onlyScores(
            InfluenceCalculator calculator, InfluenceRequest request, BooleanSupplier cancelled) {
        List<InfluenceScores> scores = calculator.compute(request, WorkMonitor.of(cancelled));
        assertThat(scores).hasSize(1);
        return scores.getFirst();
    }

    /** Greatest |actual - expected| over greatest |expected|; 0 if all are 0. */
    static double relativeError(InfluenceScores actual, int query, double[] expected) {
        double greatestError = 0;
        double greatest = 0;
        for (int k = 0; k < expected.length; k++) {
            greatestError = Math.max(greatestError, Math.abs(actual.score(query, k) - expected[k]));
            greatest = Math.max(greatest, Math.abs(expected[k]));
        }
        return greatestError == 0 ? 0 : greatestError / greatest;
    }

    static void assertScores(InfluenceScores actual, int query, double[] expected, double tolerance) {
        assertThat(relativeError(actual, query, expected))
                .describedAs("row-wise relative error of validation point %d", query)
                .isLessThanOrEqualTo(tolerance);
    }

    /** Scores of one validation point, [rows]. */
    static double[] row(InfluenceScores scores, int query, int rowCount) {
        double[] row = new double[rowCount];
        for (int k = 0; k < rowCount; k++) {
            row[k] = scores.score(query, k);
        }
        return row;
    }
}
