package io.datainf.client;

/**
 * What all batches of a writer have in common, until the server's limits change.
 *
 * @param rowBytes bytes of one sample's gradient
 * @param elementBytes bytes of one element
 * @param messageBytes largest message to send
 * @param maxRows most samples of a batch; 1 also for a sample larger than a message, which travels in fragments
 * @param allowDeleted whether samples that were deleted may come back
 */
record BatchShape(int rowBytes, int elementBytes, int messageBytes, int maxRows, boolean allowDeleted) {

    /** Per sample besides its gradient: an id, and a step as a varint. */
    static final int SAMPLE_OVERHEAD_BYTES = Long.BYTES + 10;
    /** Per message: tags, lengths, batch_seq, crc32c, element_offset, allow_deleted. */
    static final int MESSAGE_OVERHEAD_BYTES = 64;

    // Bounds the arrays of ids and steps when samples are tiny.
    private static final int MAX_ROWS = 16_384;
    // So that batches are collected and acked while others are on their way, also in a small buffer.
    private static final int MIN_BATCHES_BUFFERED = 4;

    static BatchShape of(int dimension, WriterOptions options, long serverMaxMessageBytes) {
        int elementBytes = options.elementType().bytes();
        int rowBytes = dimension * elementBytes;
        int messageBytes = (int) Math.min(options.batchBytes(), serverMaxMessageBytes);
        long fitting = (messageBytes - MESSAGE_OVERHEAD_BYTES) / ((long) rowBytes + SAMPLE_OVERHEAD_BYTES);
        long share = options.maxUnackedBytes() / MIN_BATCHES_BUFFERED / rowBytes;
        int maxRows = (int) Math.max(1, Math.min(MAX_ROWS, Math.min(fitting, share)));
        return new BatchShape(rowBytes, elementBytes, messageBytes, maxRows, options.allowDeleted());
    }

    /** Memory of the gradients of one batch. */
    int bufferBytes() {
        return maxRows * rowBytes;
    }

    /** At least the size of the one message that carries so many samples. */
    long messageBytesOf(int rows) {
        return MESSAGE_OVERHEAD_BYTES + rows * ((long) rowBytes + SAMPLE_OVERHEAD_BYTES);
    }

    /** Most gradient bytes of a fragment; a whole number of elements, at least one. */
    int fragmentBytes() {
        int room = messageBytes - MESSAGE_OVERHEAD_BYTES - SAMPLE_OVERHEAD_BYTES;
        return Math.max(elementBytes, room - room % elementBytes);
    }
}
