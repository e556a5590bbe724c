package io.datainf.engine.influence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.influence.MethodComparison.Agreement;
import io.datainf.engine.influence.MethodComparison.GradientNormSummary;
import io.datainf.engine.memory.ElementType;
import org.junit.jupiter.api.Test;

/** Correlations, errors, quartiles and normalisations. */
class AgreementsTest {

    @Test
    void correlations_ofKnownValues() {
        double[] a = {1, 2, 3, 4, 5};
        double[] b = {2, 1, 4, 3, 5};
        Agreement agreement = Agreements.of(a, b);
        assertThat(agreement.pearson()).isCloseTo(0.8, within(1e-15));
        assertThat(agreement.spearman()).isCloseTo(0.8, within(1e-15));
        assertThat(agreement.relativeError()).isCloseTo(Math.sqrt(4.0 / 55), within(1e-15));
    }

    @Test
    void spearman_isOfRanks_andTiesShareTheirMean() {
        assertThat(Agreements.ranks(new double[] {7, 1, 7, 3, 7, -0.0, 0.0})).containsExactly(5, 2, 5, 3, 5, 0.5, 0.5);
        Agreement agreement = Agreements.of(new double[] {1, 10, 100, 1e9}, new double[] {1, 2, 3, 4});
        assertThat(agreement.spearman()).isEqualTo(1);
        assertThat(agreement.pearson()).isLessThan(0.9);
    }

    @Test
    void extremeScales_doNotOverflow() {
        double[] huge = {1e200, -3e200, 2e200};
        double[] tiny = {1e-200, -3e-200, 2e-200};
        assertThat(Agreements.of(huge, tiny).pearson()).isCloseTo(1, within(1e-12));
        assertThat(Agreements.of(tiny, tiny).relativeError()).isZero();
    }

    @Test
    void constantScores_haveNoCorrelation() {
        double[] constant = {0.1, 0.1, 0.1};
        Agreement agreement = Agreements.of(constant, new double[] {1, 2, 3});
        assertThat(agreement.pearson()).isNaN();
        assertThat(agreement.spearman()).isNaN();
        assertThat(Agreements.of(new double[3], new double[3]).relativeError()).isZero();
        assertThat(Agreements.of(constant, new double[3]).relativeError()).isInfinite();
    }

    @Test
    void normSummary_interpolatesQuartiles_overLiveSamples() {
        try (StoredSamples samples = new StoredSamples(StoredSamples.layout(1, 2), ElementType.F32)) {
            for (int norm : new int[] {4, 1, 100, 2, 3}) {
                samples.add(norm, 3, 4);
            }
            samples.kill(2);
            assertThat(Agreements.normSummary(samples.set(), 0))
                    .isEqualTo(new GradientNormSummary(1, 1.75, 2.5, 3.25, 4));
            assertThat(Agreements.normSummary(samples.set(), 1)).isEqualTo(new GradientNormSummary(5, 5, 5, 5, 5));
            assertThat(Normalizations.gradientNorms(samples.set(), new double[] {1, 0})
                            .applyAsDouble(0))
                    .isEqualTo(4);
            assertThat(Normalizations.gradientNorms(samples.set(), new double[] {0, 1})
                            .applyAsDouble(0))
                    .isEqualTo(5);
        }
    }

    @Test
    void normalisations_divide_andAreZeroWhereNothingIs() {
        assertThat(Normalizations.cosine(-6, 2, 4)).isEqualTo(-0.75);
        assertThat(Normalizations.cosine(0, 0, 4)).isZero();
        assertThat(Normalizations.cosine(0, 2, 0)).isZero();
        assertThat(Normalizations.relatif(6, -4)).isEqualTo(3);
        assertThat(Normalizations.relatif(0, 0)).isZero();
    }
}
