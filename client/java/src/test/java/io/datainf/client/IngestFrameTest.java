package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.Drainable;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class IngestFrameTest {
    private static final Random RANDOM = new Random(11);

    private static byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    private static SampleBatch fields() {
        return SampleBatch.newBuilder()
                .setBatchSeq(RANDOM.nextLong())
                .addSampleIds(-1)
                .addSampleIds(RANDOM.nextLong())
                .addSteps(RANDOM.nextLong())
                .setCrc32C(RANDOM.nextInt())
                .setElementOffset(RANDOM.nextInt())
                .setAllowDeleted(RANDOM.nextBoolean())
                .build();
    }

    @Test
    void frame_isTheMessageThatProtobufWouldSend() throws IOException {
        // Lengths on both sides of one more byte of a varint.
        for (int length : new int[] {0, 1, 40, 127, 128, 16_300, 16_383, 16_384, 2_097_152}) {
            SampleBatch fields = fields();
            byte[] body = bytes(length + 30);
            IngestFrame frame = IngestFrame.of(fields, body, 10, length);
            IngestRequest expected = IngestRequest.newBuilder()
                    .setBatch(fields.toBuilder().setGradients(ByteString.copyFrom(body, 10, length)))
                    .build();
            assertThat(IngestRequest.parseFrom(frame.stream())).isEqualTo(expected);
            assertThat(frame.stream().available()).isEqualTo(frame.size());
            if (length > 0) {
                assertThat(frame.size()).isEqualTo(expected.getSerializedSize());
            }
        }
    }

    @Test
    void open_hasNoBody() throws IOException {
        Open open = Open.newBuilder().setRunId("run").build();
        assertThat(IngestRequest.parseFrom(IngestFrame.of(open).stream()).getOpen())
                .isEqualTo(open);
    }

    @Test
    void stream_readAnyhow_givesTheSameBytes() throws IOException {
        IngestFrame frame = IngestFrame.of(fields(), bytes(300), 7, 200);
        byte[] expected = frame.stream().readAllBytes();
        assertThat(expected).hasSize(frame.size());
        for (int round = 0; round < 200; round++) {
            InputStream stream = frame.stream();
            ByteArrayOutputStream read = new ByteArrayOutputStream();
            for (int step = RANDOM.nextInt(6); step > 0; step--) {
                read.write(stream.readNBytes(RANDOM.nextInt(60)));
                int single = stream.read();
                if (single >= 0) {
                    read.write(single);
                }
            }
            int left = expected.length - read.size();
            assertThat(stream.available()).isEqualTo(left);
            assertThat(((Drainable) stream).drainTo(read)).isEqualTo(left);
            assertThat(read.toByteArray()).isEqualTo(expected);
            assertThat(stream.read()).isEqualTo(-1);
        }
    }
}
