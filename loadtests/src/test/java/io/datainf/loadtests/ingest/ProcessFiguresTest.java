package io.datainf.loadtests.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProcessFiguresTest {

    private static final long SELF = ProcessHandle.current().pid();

    @Test
    void figures_ofThisProcess_areThere() throws IOException {
        double before = ProcessFigures.cpuSeconds(List.of(SELF));
        assertThat(before).isPositive();
        assertThat(ProcessFigures.cpuSeconds(List.of(SELF, SELF))).isGreaterThanOrEqualTo(2 * before);
        assertThat(ProcessFigures.residentBytes(SELF)).isBetween(1e6, 1e12);
        assertThat(ProcessFigures.openFiles(SELF)).isPositive();
    }

    @Test
    void figures_ofNoProcess_fail() {
        assertThatThrownBy(() -> ProcessFigures.cpuSeconds(List.of(Long.MAX_VALUE)))
                .isInstanceOf(IOException.class);
    }
}
