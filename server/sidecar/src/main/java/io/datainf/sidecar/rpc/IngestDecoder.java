package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.WireReader.FIXED32;
import static io.datainf.sidecar.rpc.WireReader.FIXED64;
import static io.datainf.sidecar.rpc.WireReader.LENGTH_DELIMITED;
import static io.datainf.sidecar.rpc.WireReader.VARINT;
import static io.datainf.sidecar.rpc.WireReader.tag;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.MessageLite;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.proto.v1.SharedRange;
import io.datainf.sidecar.ingest.BatchMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Decodes an IngestRequest as the generated parser does, to the byte, and leaves the gradients where they are.
 *
 * <p>Fields come in any order. Of one that comes twice the last value counts, repeated ones go on, and open and batch are
 * merged, even with the other of the two in between. Unknown fields are skipped.
 */
final class IngestDecoder {

    private static final int OPEN = tag(IngestRequest.OPEN_FIELD_NUMBER, LENGTH_DELIMITED);
    private static final int BATCH = tag(IngestRequest.BATCH_FIELD_NUMBER, LENGTH_DELIMITED);
    private static final int BATCH_SEQ = tag(SampleBatch.BATCH_SEQ_FIELD_NUMBER, VARINT);
    private static final int SAMPLE_ID = tag(SampleBatch.SAMPLE_IDS_FIELD_NUMBER, FIXED64);
    private static final int SAMPLE_IDS = tag(SampleBatch.SAMPLE_IDS_FIELD_NUMBER, LENGTH_DELIMITED);
    private static final int STEP = tag(SampleBatch.STEPS_FIELD_NUMBER, VARINT);
    private static final int STEPS = tag(SampleBatch.STEPS_FIELD_NUMBER, LENGTH_DELIMITED);
    private static final int CRC32C = tag(SampleBatch.CRC32C_FIELD_NUMBER, FIXED32);
    private static final int ELEMENT_OFFSET = tag(SampleBatch.ELEMENT_OFFSET_FIELD_NUMBER, VARINT);
    private static final int ALLOW_DELETED = tag(SampleBatch.ALLOW_DELETED_FIELD_NUMBER, VARINT);
    private static final int SHARED = tag(SampleBatch.SHARED_GRADIENTS_FIELD_NUMBER, LENGTH_DELIMITED);
    private static final int GRADIENTS = tag(SampleBatch.GRADIENTS_FIELD_NUMBER, LENGTH_DELIMITED);
    // The generated parser allows 100 messages and groups inside each other.
    private static final int DEPTH_LEFT_IN_OPEN = 99;
    private static final int DEPTH_LEFT_IN_BATCH = 98;
    // Steps take 1 byte on the wire and 8 in memory: beyond this many, only as many as the message may have ids.
    private static final int FEW_STEPS = 1_000;
    private static final long[] NO_NUMBERS = {};

    private final MessagePieces message;
    private final WireReader in;
    private final Open.Builder open = Open.newBuilder();
    private SharedRange.@Nullable Builder shared;
    private long batchSeq;
    private long[] sampleIds = NO_NUMBERS;
    private int sampleIdCount;
    private long[] steps = NO_NUMBERS;
    private int stepCount;
    private int crc32c;
    private long elementOffset;
    private boolean allowDeleted;
    private int gradientsPosition;
    private int gradientsByteCount;

    private IngestDecoder(MessagePieces message) {
        this.message = message;
        this.in = new WireReader(message);
    }

    /**
     * Decodes a message.
     *
     * @throws MalformedMessageException if its bytes are no IngestRequest
     * @throws InvalidRequestException if it holds more steps than it can hold ids
     */
    static IngestMessage decode(MessagePieces message) {
        return new IngestDecoder(message).request();
    }

    private IngestMessage request() {
        int last = 0;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag == OPEN) {
                merge(open, "open", DEPTH_LEFT_IN_OPEN);
                last = tag;
            } else if (tag == BATCH) {
                mergeBatch();
                last = tag;
            } else {
                in.skipField(tag, 0);
            }
        }
        if (last == OPEN) {
            return new IngestMessage.Opening(open.build());
        }
        if (last == BATCH) {
            return new IngestMessage.Samples(batch(), shared == null ? null : shared.build());
        }
        return new IngestMessage.Refused(
                new InvalidRequestException("message", "the message is empty: expected open or batch"));
    }

    private void merge(MessageLite.Builder builder, String name, int depthLeft) {
        int byteCount = in.readLength();
        int start = in.position();
        // One byte at a time: in larger buffers, a short cut of protobuf-java lets some varints of 11 bytes pass.
        CodedInputStream bytes = CodedInputStream.newInstance(new ByteArrayInputStream(in.readBytes(byteCount)), 1);
        bytes.setRecursionLimit(depthLeft);
        try {
            builder.mergeFrom(bytes);
            bytes.checkLastTagWas(0);
        } catch (IOException e) {
            throw new MalformedMessageException(start, "%s cannot be read: %s", name, String.valueOf(e.getMessage()));
        }
    }

    private void mergeBatch() {
        int outer = in.enter(in.readLength());
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            mergeBatchField(tag);
        }
        in.leave(outer);
    }

    private void mergeBatchField(int tag) {
        if (tag == GRADIENTS) {
            gradientsByteCount = in.readLength();
            gradientsPosition = in.position();
            in.skip(gradientsByteCount);
        } else if (tag == SHARED) {
            shared = shared == null ? SharedRange.newBuilder() : shared;
            merge(shared, "shared_gradients", DEPTH_LEFT_IN_BATCH);
        } else if (tag == BATCH_SEQ) {
            batchSeq = in.readVarint();
        } else if (tag == SAMPLE_IDS) {
            readSampleIds();
        } else if (tag == SAMPLE_ID) {
            addSampleId();
        } else if (tag == STEPS) {
            readSteps();
        } else if (tag == STEP) {
            addStep();
        } else if (tag == CRC32C) {
            crc32c = in.readFixed32();
        } else if (tag == ELEMENT_OFFSET) {
            elementOffset = in.readVarint();
        } else if (tag == ALLOW_DELETED) {
            allowDeleted = in.readVarint() != 0;
        } else {
            in.skipField(tag, 1);
        }
    }

    private void readSampleIds() {
        int byteCount = in.readLength();
        int outer = in.enter(byteCount);
        sampleIds = withRoom(sampleIds, sampleIdCount, byteCount / Long.BYTES);
        while (in.remaining() > 0) {
            addSampleId();
        }
        in.leave(outer);
    }

    private void addSampleId() {
        long sampleId = in.readFixed64();
        sampleIds = withRoom(sampleIds, sampleIdCount, 1);
        sampleIds[sampleIdCount++] = sampleId;
    }

    private void readSteps() {
        int outer = in.enter(in.readLength());
        while (in.remaining() > 0) {
            addStep();
        }
        in.leave(outer);
    }

    private void addStep() {
        long step = in.readVarint();
        int mostSteps = Math.max(FEW_STEPS, message.byteCount() / Long.BYTES);
        if (stepCount == mostSteps) {
            throw new InvalidRequestException(
                    "batch.steps", "steps has more than %d entries: expected one a sample".formatted(mostSteps));
        }
        steps = withRoom(steps, stepCount, 1);
        steps[stepCount++] = step;
    }

    /** Makes room for numbers that the message really holds: at most twice as many as it has. */
    private static long[] withRoom(long[] numbers, int count, int more) {
        if (more <= numbers.length - count) {
            return numbers;
        }
        return Arrays.copyOf(numbers, Math.max(count + more, 2 * count));
    }

    private BatchMessage batch() {
        return new BatchMessage(
                batchSeq,
                Arrays.copyOf(sampleIds, sampleIdCount),
                Arrays.copyOf(steps, stepCount),
                allowDeleted,
                crc32c,
                elementOffset,
                message.gradients(gradientsPosition, gradientsByteCount));
    }
}
