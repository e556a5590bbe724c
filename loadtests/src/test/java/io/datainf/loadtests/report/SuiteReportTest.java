package io.datainf.loadtests.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SuiteReportTest {

    private static final SuiteReport REPORT = new SuiteReport(
            "kernels",
            "0123456789ab-dirty",
            "a machine",
            List.of(
                    Figure.atMost("time / read limit", 1.6, "x", 1.55),
                    Figure.atLeast("speed", 1_234_567.8, "GFLOP/s", 1),
                    Figure.reported("width", 32, "queries")));

    @Test
    void writeTo_figuresWithAndWithoutTarget_holdsAllFields(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("results/kernels.json");

        REPORT.writeTo(file);

        assertThat(JsonParser.parseString(Files.readString(file))).isEqualTo(JsonParser.parseString("""
                        {"suite": "kernels", "commit": "0123456789ab-dirty", "machine": "a machine", "figures": [
                         {"name": "time / read limit", "value": 1.6, "unit": "x", "target": "<= 1.55", "met": false},
                         {"name": "speed", "value": 1234567.8, "unit": "GFLOP/s", "target": ">= 1", "met": true},
                         {"name": "width", "value": 32.0, "unit": "queries", "target": null, "met": null}]}"""));
    }

    @Test
    void table_figures_onePerLine() {
        assertThat(REPORT.table())
                .contains("| time / read limit | 1.600 x | <= 1.55 | NO |")
                .contains("| speed | 1,234,568 GFLOP/s | >= 1 | yes |")
                .contains("| width | 32 queries |  |  |");
    }

    @Test
    void of_here_namesCommitAndMachine() throws IOException, InterruptedException {
        SuiteReport report = SuiteReport.of("s", List.of());

        assertThat(report.commit()).matches("[0-9a-f]{12,40}(-dirty)?|unknown");
        assertThat(report.machine()).contains("cores").contains("JDK " + Runtime.version());
    }

    @Test
    void new_sameNameTwice_throws() {
        List<Figure> twice = List.of(Figure.reported("a", 1, "s"), Figure.reported("a", 2, "s"));

        assertThatThrownBy(() -> new SuiteReport("s", "c", "m", twice)).hasMessageContaining("'a'");
    }

    @Test
    void between_limits_areAllowed() {
        assertThat(Figure.between("fit", 0.9, "", 0.9, 1.1)).isEqualTo(new Figure("fit", 0.9, "", "0.9 .. 1.1", true));
        assertThat(Figure.between("fit", 1.11, "", 0.9, 1.1).met()).isFalse();
    }

    @Test
    void reported_notFinite_throws() {
        assertThatThrownBy(() -> Figure.reported("speed", Double.NaN, "s")).hasMessageContaining("'speed' is NaN");
    }
}
