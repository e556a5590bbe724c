package io.datainf.client;

import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.Run;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a run is to be. Creating a run twice with equal definitions is harmless.
 *
 * @param runId 1 to 64 characters out of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit
 * @param blocks the blocks of each sample, in order
 * @param storedAsBfloat16 whether samples are stored in bfloat16, half the space at 2-4e-4 relative score error,
 *     instead of float32
 * @param dampingScale c of {@code lambda_l = c / (n d_l) * sum_i |g_{i,l}|^2}
 * @param checkpoint which parameters the gradients are taken at; free text, may be empty
 * @param labels the user's own tags
 */
public record RunDefinition(
        String runId,
        List<Block> blocks,
        boolean storedAsBfloat16,
        double dampingScale,
        String checkpoint,
        Map<String, String> labels) {

    /** The paper's damping scale. */
    public static final double DEFAULT_DAMPING_SCALE = 0.1;

    public RunDefinition {
        requireNonNull(runId, "runId");
        requireNonNull(checkpoint, "checkpoint");
        blocks = List.copyOf(blocks);
        labels = Map.copyOf(labels);
        if (blocks.isEmpty()) {
            throw new IllegalArgumentException("run " + runId + " has no blocks: expected at least one");
        }
        if (!(dampingScale > 0 && Double.isFinite(dampingScale))) {
            throw new IllegalArgumentException(
                    "dampingScale is " + dampingScale + ": expected a finite number greater than 0");
        }
    }

    /** Begins a definition with the defaults: no blocks yet, float32, damping scale 0.1. */
    public static Builder builder(String runId) {
        return new Builder(runId);
    }

    Run toProto() {
        BlockLayout.Builder layout = BlockLayout.newBuilder();
        for (Block block : blocks) {
            layout.addBlocks(io.datainf.proto.v1.Block.newBuilder()
                    .setName(block.name())
                    .setRows(block.rows())
                    .setColumns(block.columns()));
        }
        return Run.newBuilder()
                .setRunId(runId)
                .setLayout(layout)
                .setStoredElementType(storedAsBfloat16 ? ElementType.ELEMENT_TYPE_BF16 : ElementType.ELEMENT_TYPE_F32)
                .setDampingScale(dampingScale)
                .setCheckpoint(checkpoint)
                .putAllLabels(labels)
                .build();
    }

    /** Collects a definition. Not safe for several threads. */
    public static final class Builder {
        private final String runId;
        private final List<Block> blocks = new ArrayList<>();
        private final Map<String, String> labels = new LinkedHashMap<>();
        private boolean storedAsBfloat16;
        private double dampingScale = DEFAULT_DAMPING_SCALE;
        private String checkpoint = "";

        private Builder(String runId) {
            this.runId = runId;
        }

        /** Appends a block of {@code rows * columns} elements. */
        @CanIgnoreReturnValue
        public Builder block(String name, int rows, int columns) {
            blocks.add(new Block(name, rows, columns));
            return this;
        }

        /** Appends blocks. */
        @CanIgnoreReturnValue
        public Builder blocks(List<Block> more) {
            blocks.addAll(more);
            return this;
        }

        /** Stores samples in bfloat16. */
        @CanIgnoreReturnValue
        public Builder storedAsBfloat16() {
            storedAsBfloat16 = true;
            return this;
        }

        /** Sets c of {@code lambda_l = c / (n d_l) * sum_i |g_{i,l}|^2}. */
        @CanIgnoreReturnValue
        public Builder dampingScale(double scale) {
            dampingScale = scale;
            return this;
        }

        /** Names the parameters that the gradients are taken at. */
        @CanIgnoreReturnValue
        public Builder checkpoint(String name) {
            checkpoint = name;
            return this;
        }

        /** Adds a tag. */
        @CanIgnoreReturnValue
        public Builder label(String key, String value) {
            labels.put(key, value);
            return this;
        }

        /** Returns the definition. */
        public RunDefinition build() {
            return new RunDefinition(runId, blocks, storedAsBfloat16, dampingScale, checkpoint, labels);
        }
    }
}
