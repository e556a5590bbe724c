package io.datainf.client;

import java.nio.ByteBuffer;

/**
 * Places in a batch that a caller copies gradients into, and then publishes.
 *
 * @param batch the batch
 * @param firstRow the first place
 * @param count how many, at least 1
 */
record Claim(PendingBatch batch, int firstRow, int count) {

    ByteBuffer target() {
        return batch.target(firstRow, count);
    }
}
