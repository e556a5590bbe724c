package io.datainf.loadtests.soak;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SoakSampleTest {

    @Test
    void element_isWhatTheWriterInPythonMakes() {
        // gradient(id, 4096)[position] of loadtests/peers/soak_writer.py
        assertThat(SoakSample.element(0, 0)).isEqualTo(-0.5f);
        assertThat(SoakSample.element(0, 1)).isEqualTo(-0x1.dd44cp-2f);
        assertThat(SoakSample.element(SoakSample.id(3, 0), 7)).isEqualTo(0x1.7053p-4f);
        assertThat(SoakSample.element(SoakSample.id(2, 12_345), 4_095)).isEqualTo(0x1.999cecp-2f);
    }

    @Test
    void id_isTakenApartAgain() {
        long id = SoakSample.id(3, 1_234_567);
        assertThat(SoakSample.writer(id)).isEqualTo(3);
        assertThat(SoakSample.number(id)).isEqualTo(1_234_567);
    }

    @Test
    void matches_findsAChangedElement() {
        float[] gradient = SoakSample.gradient(5);
        assertThat(SoakSample.matches(5, gradient)).isTrue();
        gradient[SoakSample.DIMENSION - 1] += 1;
        assertThat(SoakSample.matches(5, gradient)).isFalse();
        assertThat(SoakSample.matches(5, new float[1])).isFalse();
    }
}
