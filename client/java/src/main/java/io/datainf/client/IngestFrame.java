package io.datainf.client;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/**
 * An IngestRequest as it goes on the wire: a head, serialized once, and gradients where they lie. May be sent again. A
 * protobuf object would copy the gradients once more than needed.
 *
 * @param head the message up to the gradients' bytes
 * @param body holds the gradients, which are last on the wire
 * @param offset where they begin in the body
 * @param length their bytes
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record IngestFrame(byte[] head, byte[] body, int offset, int length) {

    private static final byte[] NOTHING = {};

    static IngestFrame of(Open open) {
        return new IngestFrame(IngestRequest.newBuilder().setOpen(open).build().toByteArray(), NOTHING, 0, 0);
    }

    /**
     * Puts gradients behind the other fields of a batch.
     *
     * @param fields the batch without its gradients
     */
    static IngestFrame of(SampleBatch fields, byte[] body, int offset, int length) {
        int batchBytes = fields.getSerializedSize()
                + CodedOutputStream.computeTagSize(SampleBatch.GRADIENTS_FIELD_NUMBER)
                + CodedOutputStream.computeUInt32SizeNoTag(length)
                + length;
        byte[] head = new byte
                [CodedOutputStream.computeTagSize(IngestRequest.BATCH_FIELD_NUMBER)
                        + CodedOutputStream.computeUInt32SizeNoTag(batchBytes)
                        + batchBytes
                        - length];
        CodedOutputStream out = CodedOutputStream.newInstance(head);
        try {
            out.writeTag(IngestRequest.BATCH_FIELD_NUMBER, WireFormat.WIRETYPE_LENGTH_DELIMITED);
            out.writeUInt32NoTag(batchBytes);
            fields.writeTo(out);
            out.writeTag(SampleBatch.GRADIENTS_FIELD_NUMBER, WireFormat.WIRETYPE_LENGTH_DELIMITED);
            out.writeUInt32NoTag(length);
        } catch (IOException e) {
            throw new UncheckedIOException("the head of a batch does not fit its own size", e);
        }
        out.checkNoSpaceLeft();
        return new IngestFrame(head, body, offset, length);
    }

    int size() {
        return head.length + length;
    }

    InputStream stream() {
        return new IngestFrameStream(this);
    }
}
