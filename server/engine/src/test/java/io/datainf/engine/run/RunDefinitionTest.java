package io.datainf.engine.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.datainf.engine.memory.ElementType;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RunDefinitionTest {

    @Test
    void constructor_valuesAtTheLimits_areTaken() {
        Map<String, String> labels = new HashMap<>();
        for (int i = 0; i < 64; i++) {
            labels.put("%063d".formatted(i), "ü".repeat(128));
        }
        RunDefinition definition = definition(ElementType.BF16, 1e-300, "é".repeat(128), labels);
        assertThat(definition.labels()).isEqualTo(labels);
        labels.clear();
        assertThat(definition.labels()).hasSize(64);
    }

    @Test
    void constructor_valuesBeyondTheLimits_areNamed() {
        assertRefused(() -> definition(ElementType.F16, 0.1, "", Map.of()), "stored_element_type is F16");
        assertRefused(() -> definition(ElementType.F32, 0, "", Map.of()), "damping_scale is 0.0");
        assertRefused(() -> definition(ElementType.F32, Double.NaN, "", Map.of()), "damping_scale is NaN");
        assertRefused(
                () -> definition(ElementType.F32, Double.POSITIVE_INFINITY, "", Map.of()), "damping_scale is Infinity");
        assertRefused(
                () -> definition(ElementType.F32, 0.1, "é".repeat(129), Map.of()),
                "checkpoint is '" + "é".repeat(129) + "' with 258 bytes: expected 0 to 256");
        assertRefused(
                () -> definition(ElementType.F32, 0.1, "", Map.of("", "x")),
                "labels key is '' with 0 bytes: expected 1 to 63");
        assertRefused(() -> definition(ElementType.F32, 0.1, "", Map.of("k".repeat(64), "x")), "with 64 bytes");
        assertRefused(
                () -> definition(ElementType.F32, 0.1, "", Map.of("k", "v".repeat(257))),
                "labels['k'] is '" + "v".repeat(257) + "' with 257 bytes: expected 0 to 256");
        Map<String, String> many = new HashMap<>();
        for (int i = 0; i < 65; i++) {
            many.put("k" + i, "");
        }
        assertRefused(() -> definition(ElementType.F32, 0.1, "", many), "labels has 65 entries: expected at most 64");
    }

    private static void assertRefused(Runnable construction, String message) {
        assertThatIllegalArgumentException().isThrownBy(construction::run).withMessageContaining(message);
    }

    private static RunDefinition definition(
            ElementType type, double scale, String checkpoint, Map<String, String> labels) {
        return new RunDefinition(new RunId("run"), RunFixture.LAYOUT, type, scale, checkpoint, labels);
    }
}
