package io.datainf.loadtests.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

final class PowerFitTest {

    @Test
    void of_powerLaw_findsIt() {
        PowerFit fit = PowerFit.of(new double[] {1, 2, 4, 8}, new double[] {3, 12, 48, 192});

        assertThat(fit.exponent()).isCloseTo(2, within(1e-12));
        assertThat(fit.determination()).isCloseTo(1, within(1e-12));
        assertThat(fit.greatestDeviation()).isCloseTo(0, within(1e-12));
    }

    @Test
    void of_onePointOff_saysHowFar() {
        // In logarithms to base 2, 0, 1 and 3 at 0, 1 and 2: slope 1.5, deviations 1/6, -1/3 and 1/6.
        PowerFit fit = PowerFit.of(new double[] {1, 2, 4}, new double[] {1, 2, 8});

        assertThat(fit.exponent()).isCloseTo(1.5, within(1e-12));
        assertThat(fit.determination()).isCloseTo(27.0 / 28, within(1e-12));
        assertThat(fit.greatestDeviation()).isCloseTo(1 - Math.pow(2, -1.0 / 3), within(1e-12));
    }

    @Test
    void of_oneSize_throws() {
        assertThatThrownBy(() -> PowerFit.of(new double[] {2, 2}, new double[] {1, 3}))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
