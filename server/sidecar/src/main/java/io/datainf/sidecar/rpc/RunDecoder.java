package io.datainf.sidecar.rpc;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.proto.v1.Run;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Checks the definition of a run and names all that is wrong with it at once. */
final class RunDecoder {

    private static final int MAX_BLOCK_NAME_BYTES = 512;
    private static final int MAX_CHECKPOINT_BYTES = 256;
    private static final int MAX_LABELS = 64;
    private static final int MAX_LABEL_KEY_BYTES = 63;
    private static final int MAX_LABEL_VALUE_BYTES = 256;

    private final InvalidRequestException.Collector violations = new InvalidRequestException.Collector();

    private RunDecoder() {}

    /**
     * Returns the definition.
     *
     * @throws InvalidRequestException if a field is out of range
     */
    static RunDefinition decode(Run run) {
        return new RunDecoder().definition(run);
    }

    private RunDefinition definition(Run run) {
        RunId id = runId(run.getRunId());
        BlockLayout layout = layout(run.getLayout());
        ElementType storedType = ElementTypes.decode(
                run.getStoredElementType(), run.getStoredElementTypeValue(), "run.stored_element_type", violations);
        violations.require(
                storedType.storable(),
                "run.stored_element_type",
                "run.stored_element_type is %s: expected F32 or BF16",
                storedType);
        double dampingScale = run.hasDampingScale() ? run.getDampingScale() : RunDefinition.DEFAULT_DAMPING_SCALE;
        violations.require(
                dampingScale > 0 && Double.isFinite(dampingScale),
                "run.damping_scale",
                "run.damping_scale is %s: expected a finite number greater than 0",
                dampingScale);
        requireBytes("run.checkpoint", run.getCheckpoint(), 0, MAX_CHECKPOINT_BYTES);
        labels(run.getLabelsMap());
        violations.throwIfAny();
        if (id == null || layout == null) {
            throw new IllegalStateException("a missing part without a violation");
        }
        return new RunDefinition(id, layout, storedType, dampingScale, run.getCheckpoint(), run.getLabelsMap());
    }

    private @Nullable RunId runId(String value) {
        try {
            return new RunId(value);
        } catch (IllegalArgumentException e) {
            violations.add("run.run_id", String.valueOf(e.getMessage()));
            return null;
        }
    }

    private @Nullable BlockLayout layout(io.datainf.proto.v1.BlockLayout layout) {
        List<Block> blocks = new ArrayList<>(layout.getBlocksCount());
        for (int l = 0; l < layout.getBlocksCount(); l++) {
            Block block = block("run.layout.blocks[%d]".formatted(l), layout.getBlocks(l));
            if (block != null) {
                blocks.add(block);
            }
        }
        if (blocks.size() < layout.getBlocksCount()) {
            return null;
        }
        try {
            return BlockLayout.of(blocks);
        } catch (IllegalArgumentException e) {
            violations.add("run.layout", String.valueOf(e.getMessage()));
            return null;
        }
    }

    private @Nullable Block block(String field, io.datainf.proto.v1.Block block) {
        boolean named = requireBytes(field + ".name", block.getName(), 1, MAX_BLOCK_NAME_BYTES);
        long rows = block.getRows();
        long columns = block.getColumns();
        boolean shaped = rows >= 1 && columns >= 1 && rows <= Integer.MAX_VALUE / columns;
        violations.require(
                shaped,
                field,
                "%s has shape [%d, %d]: expected at least 1 each and a product of at most %d",
                field,
                rows,
                columns,
                Integer.MAX_VALUE);
        return named && shaped ? new Block(block.getName(), (int) rows, (int) columns) : null;
    }

    private void labels(Map<String, String> labels) {
        violations.require(
                labels.size() <= MAX_LABELS,
                "run.labels",
                "run.labels has %d entries: expected at most %d",
                labels.size(),
                MAX_LABELS);
        labels.forEach((key, value) -> {
            requireBytes("run.labels key '%s'".formatted(key), key, 1, MAX_LABEL_KEY_BYTES);
            requireBytes("run.labels['%s']".formatted(key), value, 0, MAX_LABEL_VALUE_BYTES);
        });
    }

    private boolean requireBytes(String field, String value, int least, int most) {
        int actual = value.getBytes(StandardCharsets.UTF_8).length;
        boolean valid = actual >= least && actual <= most;
        violations.require(valid, field, "%s has %d bytes: expected %d to %d", field, actual, least, most);
        return valid;
    }
}
