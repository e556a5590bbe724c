package io.datainf.client;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A sample as the server stores it.
 *
 * @param sampleId its id
 * @param step training step; 0 if the writer gave none
 * @param squaredNorms |g_l|^2 of each block, [L]
 * @param storedAsBfloat16 whether {@code bytes} are bfloat16, 2 bytes an element, rather than float32
 * @param bytes the gradient, [D] elements, little-endian
 */
@SuppressWarnings("ArrayRecordComponent") // the caller's from here on
public record StoredSample(long sampleId, long step, double[] squaredNorms, boolean storedAsBfloat16, byte[] bytes) {

    /** Returns the gradient, [D]; exact, also from bfloat16. */
    public float[] gradient() {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        float[] gradient = new float[bytes.length / (storedAsBfloat16 ? Short.BYTES : Float.BYTES)];
        if (!storedAsBfloat16) {
            buffer.asFloatBuffer().get(gradient);
            return gradient;
        }
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] = Float.intBitsToFloat(buffer.getShort() << Short.SIZE);
        }
        return gradient;
    }
}
