package io.datainf.loadtests.query;

import io.datainf.client.DataInfClient;
import io.datainf.client.RunDefinition;
import io.datainf.client.RunDescription;
import io.datainf.client.SampleWriter;
import io.datainf.client.WriterOptions;

/**
 * A run that the server holds. Its blocks are those of RoBERTa-large with rank 4, where 96 make D = 393,216: each [4, 1024].
 *
 * @param id the run's
 * @param blockCount blocks of a sample
 * @param sampleCount samples, n
 * @param bfloat16 whether rows are stored in bfloat16 instead of float32
 */
public record StoredRun(String id, int blockCount, int sampleCount, boolean bfloat16) {

    /** Blocks of a sample of RoBERTa-large. */
    static final int ALL_BLOCKS = 96;

    private static final int RANK = 4;
    private static final int WIDTH = 1_024;
    // Two samples of the usual size a message: larger than gRPC's cost a message, and within the server's limit.
    private static final int BATCH_BYTES = 7 << 19;

    /** Elements of a sample, D. */
    public int dimension() {
        return blockCount * RANK * WIDTH;
    }

    /** Bytes of all stored rows. */
    public long storedBytes() {
        return (long) sampleCount * dimension() * (bfloat16 ? Short.BYTES : Float.BYTES);
    }

    /** Makes the run and sends its samples; returns when all are durable. */
    public void store(DataInfClient client, RandomGradients gradients) throws InterruptedException {
        long startNanos = System.nanoTime();
        RunDefinition.Builder definition = RunDefinition.builder(id);
        for (int block = 0; block < blockCount; block++) {
            definition.block("block%02d".formatted(block), RANK, WIDTH);
        }
        if (bfloat16) {
            definition.storedAsBfloat16();
        }
        RunDescription run = client.createRun(definition.build());
        WriterOptions options = WriterOptions.defaults().withBatchBytes(BATCH_BYTES);
        try (SampleWriter writer = client.openWriter(run, options)) {
            for (int sample = 0; sample < sampleCount; sample++) {
                writer.add(sample, gradients.of(sample, dimension()));
            }
        }
        System.err.printf(
                "stored %s: %,d samples of %,d elements, %.2f GB, %.1f s%n",
                id, sampleCount, dimension(), storedBytes() / 1e9, (System.nanoTime() - startNanos) / 1e9);
    }
}
