package io.datainf.client;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.SampleBatch;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A full batch, kept until it is acked so that it can be sent again.
 *
 * @param sequence its number, from 1
 * @param sampleIds the samples, [k]
 * @param allowDeleted whether samples that were deleted may come back
 * @param gradients row-major {@code [k, D]} float32, little-endian
 */
record PendingBatch(long sequence, List<Long> sampleIds, boolean allowDeleted, ByteString gradients) {

    /** More than everything in a message that is not a sample: numbers, lengths, tags. */
    static final int MESSAGE_OVERHEAD_BYTES = 128;

    int payloadBytes() {
        return gradients.size();
    }

    /** The messages that carry the batch: one, or the fragments of a single sample larger than a message. */
    List<IngestRequest> messages(int maxMessageBytes) {
        int room = maxMessageBytes - MESSAGE_OVERHEAD_BYTES - Long.BYTES * sampleIds.size();
        if (gradients.size() <= room || sampleIds.size() > 1) {
            return List.of(message(gradients, 0));
        }
        int fragmentBytes = Math.max(Float.BYTES, room - room % Float.BYTES);
        List<IngestRequest> messages = new ArrayList<>();
        for (int begin = 0; begin < gradients.size(); begin += fragmentBytes) {
            int end = (int) Math.min(gradients.size(), (long) begin + fragmentBytes);
            messages.add(message(gradients.substring(begin, end), begin / Float.BYTES));
        }
        return messages;
    }

    private IngestRequest message(ByteString bytes, long elementOffset) {
        CRC32C checksum = new CRC32C();
        for (ByteBuffer piece : bytes.asReadOnlyByteBufferList()) {
            checksum.update(piece);
        }
        return IngestRequest.newBuilder()
                .setBatch(SampleBatch.newBuilder()
                        .setBatchSeq(sequence)
                        .addAllSampleIds(sampleIds)
                        .setCrc32C((int) checksum.getValue())
                        .setElementOffset(elementOffset)
                        .setAllowDeleted(allowDeleted)
                        .setGradients(bytes))
                .build();
    }
}
