package io.datainf.engine.run;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.RunManifest;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/**
 * What a run is, fixed when it is created.
 *
 * @param id its name
 * @param layout the blocks of each sample
 * @param storedType encoding of the stored rows, F32 or BF16
 * @param dampingScale c of lambda_l = c / (n d_l) * sum q; finite and greater than 0
 * @param checkpoint which parameters the gradients are taken at; may be empty; at most 256 bytes
 * @param labels the user's tags; at most 64, keys of 1 to 63 bytes, values of at most 256 bytes
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

    private static final int MAX_CHECKPOINT_BYTES = 256;
    private static final int MAX_LABELS = 64;
    private static final int MAX_LABEL_KEY_BYTES = 63;
    private static final int MAX_LABEL_VALUE_BYTES = 256;

    public RunDefinition {
        if (!storedType.storable()) {
            throw new IllegalArgumentException("stored_element_type is %s: expected F32 or BF16".formatted(storedType));
        }
        if (!(dampingScale > 0) || Double.isInfinite(dampingScale)) {
            throw new IllegalArgumentException(
                    "damping_scale is %s: expected a finite number greater than 0".formatted(dampingScale));
        }
        requireBytes("checkpoint", checkpoint, 0, MAX_CHECKPOINT_BYTES);
        if (labels.size() > MAX_LABELS) {
            throw new IllegalArgumentException(
                    "labels has %d entries: expected at most %d".formatted(labels.size(), MAX_LABELS));
        }
        labels.forEach((key, value) -> {
            requireBytes("labels key", key, 1, MAX_LABEL_KEY_BYTES);
            requireBytes("labels['" + key + "']", value, 0, MAX_LABEL_VALUE_BYTES);
        });
        labels = Map.copyOf(labels);
    }

    static RunDefinition of(RunManifest manifest) {
        return new RunDefinition(
                new RunId(manifest.runId()),
                manifest.layout(),
                manifest.storedType(),
                manifest.dampingScale(),
                manifest.checkpoint(),
                manifest.labels());
    }

    RunManifest toManifest(Instant createTime) {
        return new RunManifest(
                id.value(), UUID.randomUUID(), createTime, layout, storedType, dampingScale, checkpoint, labels);
    }

    /**
     * Does nothing if {@code requested} is the same.
     *
     * @throws RunDefinitionMismatchException naming the first difference
     */
    void requireSame(RunDefinition requested) {
        requireSameLayout(requested.layout);
        requireSame("stored_element_type", storedType, requested.storedType);
        requireSame("damping_scale", dampingScale, requested.dampingScale);
        requireSame("checkpoint", quoted(checkpoint), quoted(requested.checkpoint));
        requireSame("labels", new TreeMap<>(labels), new TreeMap<>(requested.labels));
    }

    private void requireSameLayout(BlockLayout requested) {
        List<Block> blocks = layout.blocks();
        requireSame("layout.blocks count", blocks.size(), requested.blockCount());
        for (int l = 0; l < blocks.size(); l++) {
            Block mine = blocks.get(l);
            Block other = requested.blocks().get(l);
            requireSame("layout.blocks[%d].name".formatted(l), quoted(mine.name()), quoted(other.name()));
            requireSame("layout.blocks[%d] ('%s') shape".formatted(l, mine.name()), shape(mine), shape(other));
        }
    }

    private void requireSame(String field, Object existing, Object requested) {
        if (!existing.equals(requested)) {
            throw new RunDefinitionMismatchException(id, field, existing, requested);
        }
    }

    private static List<Integer> shape(Block block) {
        return List.of(block.rows(), block.columns());
    }

    private static String quoted(String value) {
        return "'" + value + "'";
    }

    private static void requireBytes(String name, String value, int least, int most) {
        int bytes = value.getBytes(StandardCharsets.UTF_8).length;
        if (bytes < least || bytes > most) {
            throw new IllegalArgumentException(
                    "%s is '%s' with %d bytes: expected %d to %d".formatted(name, value, bytes, least, most));
        }
    }
}
