package io.datainf.loadtests.ingest;

import io.datainf.client.RunDefinition;
import java.util.Locale;

/**
 * What a row is.
 *
 * @param blockCount blocks of a row
 * @param rank rows of a block
 * @param width columns of a block
 * @param bfloat16 whether it is sent and stored in bfloat16 instead of float32
 */
record RowShape(int blockCount, int rank, int width, boolean bfloat16) {

    /** 64 KiB. */
    static final RowShape SMALL = new RowShape(4, 4, 1_024, false);

    /** 1.5 MiB: RoBERTa-large with rank 4, D = 393,216. */
    static final RowShape USUAL = new RowShape(96, 4, 1_024, false);

    /** 16 MiB: a model of 7 billion parameters. */
    static final RowShape LARGE = new RowShape(64, 16, 4_096, false);

    /** The same in bfloat16. */
    RowShape asBfloat16() {
        return new RowShape(blockCount, rank, width, true);
    }

    int elements() {
        return blockCount * rank * width;
    }

    long bytes() {
        return (long) elements() * (bfloat16 ? Short.BYTES : Float.BYTES);
    }

    String dtype() {
        return bfloat16 ? "bf16" : "f32";
    }

    /** For people. */
    String label() {
        return String.format(Locale.ROOT, "%s rows of %.3g MB", dtype(), bytes() / 1e6);
    }

    /** A run of such rows. */
    RunDefinition run(String id) {
        RunDefinition.Builder definition = RunDefinition.builder(id);
        for (int block = 0; block < blockCount; block++) {
            definition.block("block%02d".formatted(block), rank, width);
        }
        if (bfloat16) {
            definition.storedAsBfloat16();
        }
        return definition.build();
    }
}
