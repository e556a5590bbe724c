package io.datainf.engine.run;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.Map;

/**
 * What a run is, fixed when it is created.
 *
 * @param id its name
 * @param layout the blocks of each sample
 * @param storedType encoding of the stored rows, F32 or BF16
 * @param dampingScale c of lambda_l = c / (n d_l) * sum q; finite and greater than 0
 * @param checkpoint which parameters the gradients are taken at; may be empty
 * @param labels the user's tags
 */
public record RunDefinition(
        RunId id,
        BlockLayout layout,
        ElementType storedType,
        double dampingScale,
        String checkpoint,
        Map<String, String> labels) {

    /** The paper's damping scale. */
    public static final double DEFAULT_DAMPING_SCALE = 0.1;

    public RunDefinition {
        if (!storedType.storable()) {
            throw new IllegalArgumentException("stored_element_type is %s: expected F32 or BF16".formatted(storedType));
        }
        if (!(dampingScale > 0) || Double.isInfinite(dampingScale)) {
            throw new IllegalArgumentException(
                    "damping_scale is %s: expected a finite number greater than 0".formatted(dampingScale));
        }
        labels = Map.copyOf(labels);
    }
}
