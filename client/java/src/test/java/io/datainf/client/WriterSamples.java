package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** What tests of writers write, and how. */
final class WriterSamples {
    static final int DIMENSION = IngestPeer.DIMENSION;
    static final int MAX_MESSAGE_BYTES = 4_096;
    static final int ROW_BYTES = DIMENSION * Float.BYTES;

    static final RunDescription RUN =
            new RunDescription("run", List.of(new Block("b", 2, 3)), "step-7", "hash", DIMENSION, 0, 0, 0, List.of());

    /** Two samples a batch. */
    static final WriterOptions OPTIONS =
            WriterOptions.defaults().withWriterId("w").withBatchBytes(messageOf(2));

    private WriterSamples() {}

    interface Action {
        void run() throws Exception;
    }

    static int messageOf(int samples) {
        return BatchShape.MESSAGE_OVERHEAD_BYTES + samples * (ROW_BYTES + BatchShape.SAMPLE_OVERHEAD_BYTES);
    }

    static float[] gradient(long id) {
        float[] gradient = new float[DIMENSION];
        for (int j = 0; j < DIMENSION; j++) {
            gradient[j] = id + j / 8f;
        }
        return gradient;
    }

    static ByteString encoded(float[] gradient) {
        ByteBuffer bytes = ByteBuffer.allocate(gradient.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(gradient);
        return ByteString.copyFrom(bytes);
    }

    /** Adds samples one by one. */
    static void add(SampleWriter writer, long first, long last) throws InterruptedException {
        for (long id = first; id <= last; id++) {
            writer.add(id, gradient(id));
        }
    }

    static void assertFailsWith(Status.Code code, Action action) {
        assertThatThrownBy(action::run)
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::code)
                .isEqualTo(code);
    }

    static Throwable status(Status.Code code, Any... details) {
        return StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("as the test wants it")
                .addAllDetails(List.of(details))
                .build());
    }
}
