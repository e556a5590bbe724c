package io.datainf.engine.store;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;

/**
 * What a run's directory says of the run. Written once.
 *
 * @param runId name of the run and of its directory
 * @param instance tells this run from an earlier one of the same name; every segment repeats it
 * @param createTime when the run was created
 * @param layout the blocks of each sample
 * @param storedType encoding of the stored rows
 * @param dampingScale c of the run's default damping
 * @param checkpoint which parameters the gradients are taken at
 * @param labels the user's tags
 */
public record RunManifest(
        String runId,
        UUID instance,
        Instant createTime,
        BlockLayout layout,
        ElementType storedType,
        double dampingScale,
        String checkpoint,
        Map<String, String> labels) {

    public RunManifest {
        labels = Map.copyOf(labels);
    }
}
