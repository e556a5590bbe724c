package io.datainf.loadtests.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

final class MeasuredTest {

    @Test
    void median_evenCount_isBetweenTheMiddleTwo() {
        assertThat(Measured.median(List.of(9.0, 1.0, 2.0, 4.0))).isEqualTo(3);
        assertThat(Measured.median(List.of(9.0, 1.0, 2.0))).isEqualTo(2);
    }

    @Test
    void quantile_share_isAValueThatWasMeasured() {
        List<Double> values = List.of(5.0, 1.0, 4.0, 2.0, 3.0);

        assertThat(Measured.quantile(values, 0)).isEqualTo(1);
        assertThat(Measured.quantile(values, 0.5)).isEqualTo(3);
        assertThat(Measured.quantile(values, 0.61)).isEqualTo(4);
        assertThat(Measured.quantile(values, 0.99)).isEqualTo(5);
    }

    @Test
    void median_nothing_throws() {
        assertThatThrownBy(() -> Measured.median(List.of())).hasMessageContaining("at least one");
    }
}
