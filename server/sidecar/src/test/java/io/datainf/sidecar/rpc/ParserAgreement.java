package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.sidecar.ingest.BatchMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Holds our decoder to the generated parser: the same bytes are taken with the same values, or refused by both. */
final class ParserAgreement {

    private static final int LEAST_BYTES_OF_TOO_MANY_STEPS = 1_000;

    private ParserAgreement() {}

    /**
     * Checks one message.
     *
     * @param cuts where to cut the bytes into pieces, ascending, equal ones included
     */
    static void check(byte[] bytes, int... cuts) {
        MessagePieces message = new MessagePieces(pieces(bytes, cuts), null);
        IngestRequest expected;
        try {
            expected = parse(bytes);
        } catch (InvalidProtocolBufferException refused) {
            requireRefused(message, refused);
            return;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        IngestMessage taken;
        try {
            taken = IngestDecoder.decode(message);
        } catch (InvalidRequestException tooManySteps) {
            assertThat(bytes).hasSizeGreaterThan(LEAST_BYTES_OF_TOO_MANY_STEPS);
            return;
        }
        switch (taken) {
            case IngestMessage.Opening(var open) -> assertThat(open).isEqualTo(expected.getOpen());
            case IngestMessage.Samples(var batch, var shared) -> {
                assertThat(expected.getMessageCase()).isEqualTo(IngestRequest.MessageCase.BATCH);
                requireEqual(batch, expected.getBatch());
                assertThat(shared)
                        .isEqualTo(
                                expected.getBatch().hasSharedGradients()
                                        ? expected.getBatch().getSharedGradients()
                                        : null);
            }
            case IngestMessage.Refused refused ->
                assertThat(expected.getMessageCase())
                        .describedAs("what was taken as %s", refused)
                        .isEqualTo(IngestRequest.MessageCase.MESSAGE_NOT_SET);
        }
    }

    /** Reads byte by byte: the short cut that protobuf-java takes in larger buffers lets some varints of 11 bytes pass. */
    private static IngestRequest parse(byte[] bytes) throws IOException {
        CodedInputStream in = CodedInputStream.newInstance(new ByteArrayInputStream(bytes), 1);
        IngestRequest request = IngestRequest.parseFrom(in);
        in.checkLastTagWas(0);
        return request;
    }

    private static List<MemorySegment> pieces(byte[] bytes, int[] cuts) {
        List<MemorySegment> pieces = new ArrayList<>();
        int from = 0;
        for (int cut : cuts) {
            pieces.add(MemorySegment.ofArray(bytes).asSlice(from, cut - from));
            from = cut;
        }
        pieces.add(MemorySegment.ofArray(bytes).asSlice(from));
        return pieces;
    }

    private static void requireRefused(MessagePieces message, InvalidProtocolBufferException reason) {
        IngestMessage taken;
        try {
            taken = IngestDecoder.decode(message);
        } catch (MalformedMessageException | InvalidRequestException agreed) {
            return;
        }
        fail("taken as %s; protobuf-java refuses it: %s", taken, reason.getMessage());
    }

    private static void requireEqual(BatchMessage actual, SampleBatch expected) {
        assertThat(actual.batchSeq()).isEqualTo(expected.getBatchSeq());
        assertThat(actual.sampleIds())
                .isEqualTo(expected.getSampleIdsList().stream()
                        .mapToLong(Long::longValue)
                        .toArray());
        assertThat(actual.steps())
                .isEqualTo(expected.getStepsList().stream()
                        .mapToLong(Long::longValue)
                        .toArray());
        assertThat(actual.allowDeleted()).isEqualTo(expected.getAllowDeleted());
        assertThat(actual.crc32c()).isEqualTo(expected.getCrc32C());
        assertThat(actual.elementOffset()).isEqualTo(expected.getElementOffset());
        byte[] gradients = new byte[actual.gradients().byteCount()];
        actual.gradients().read(MemorySegment.ofArray(gradients));
        assertThat(gradients).isEqualTo(expected.getGradients().toByteArray());
    }
}
