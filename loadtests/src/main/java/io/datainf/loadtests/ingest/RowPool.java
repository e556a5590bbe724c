package io.datainf.loadtests.ingest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

/** Rows to send again and again under other ids: more than fit into the caches. */
final class RowPool {

    private static final int BYTES = 64 << 20;
    private static final long SEED = 1;

    private RowPool() {}

    /** Random rows of so many elements. */
    static float[][] rows(int elements) {
        Random random = new Random(SEED);
        float[][] rows = new float[Math.max(1, BYTES / Float.BYTES / elements)][elements];
        for (float[] row : rows) {
            for (int k = 0; k < elements; k++) {
                row[k] = random.nextFloat() - 0.5f;
            }
        }
        return rows;
    }

    /** The same as bytes. */
    static byte[][] messages(int elements) {
        float[][] rows = rows(elements);
        byte[][] messages = new byte[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            ByteBuffer message = ByteBuffer.allocate(elements * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            message.asFloatBuffer().put(rows[i]);
            messages[i] = message.array();
        }
        return messages;
    }
}
