package io.datainf.loadtests.query;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class RandomGradientsTest {

    @Test
    void of_sameId_isTheSame() {
        float[] gradient = new RandomGradients().of(7, 1_000);

        assertThat(new RandomGradients().of(7, 1_000)).isEqualTo(gradient);
        assertThat(new RandomGradients().of(-7, 1_000)).isNotEqualTo(gradient);
    }
}
