package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.ReadSamplesResponse;
import io.datainf.proto.v1.SamplesHeader;
import io.datainf.proto.v1.StoredSampleChunk;
import io.grpc.stub.BlockingClientCall;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** What ReadSamples sent, put together. Checks what holds of every answer. */
final class ReadReply {

    private static final long PATIENCE_SECONDS = 60;
    private static final int MOST_MESSAGE_BYTES = 3 << 20;

    private final SamplesHeader header;
    private final List<Long> ids = new ArrayList<>();
    private final List<Long> steps = new ArrayList<>();
    private final List<ByteString> rows = new ArrayList<>();
    private final List<double[]> squaredNorms = new ArrayList<>();
    private int chunkCount;

    private ReadReply(SamplesHeader header) {
        this.header = header;
    }

    static ReadReply read(BlockingClientCall<?, ReadSamplesResponse> call) throws Exception {
        ReadSamplesResponse first = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(first).isNotNull();
        return readRest(first.getHeader(), call);
    }

    /** Goes on behind the header. */
    static ReadReply readRest(SamplesHeader header, BlockingClientCall<?, ReadSamplesResponse> call) throws Exception {
        ReadReply reply = new ReadReply(header);
        List<Integer> checksums = new ArrayList<>();
        for (ReadSamplesResponse response = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
                response != null;
                response = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            assertThat(response.getSerializedSize()).isLessThan(MOST_MESSAGE_BYTES);
            checksums.addAll(response.getSamples().getRowCrc32CList());
            reply.add(response.getSamples());
        }
        assertThat(reply.ids).hasSize((int) header.getCount());
        assertThat(checksums).isEqualTo(reply.rows.stream().map(Wire::crc32c).toList());
        return reply;
    }

    private void add(StoredSampleChunk chunk) {
        chunkCount++;
        int elementBytes = header.getRun().getStoredElementType() == io.datainf.proto.v1.ElementType.ELEMENT_TYPE_F32
                ? Float.BYTES
                : Short.BYTES;
        int rowBytes = (int) header.getRun().getDimension() * elementBytes;
        if (chunk.getElementOffset() > 0) {
            assertThat(chunk.getSampleIdsList()).containsExactly(ids.getLast());
            assertThat(chunk.getStepsCount()).isZero();
            assertThat(chunk.getElementOffset() * elementBytes)
                    .isEqualTo(rows.getLast().size());
            rows.add(rows.removeLast().concat(chunk.getGradients()));
            return;
        }
        int count = chunk.getSampleIdsCount();
        ids.addAll(chunk.getSampleIdsList());
        steps.addAll(chunk.getStepsList());
        for (int i = 0; i < count; i++) {
            int end = count == 1 ? chunk.getGradients().size() : (i + 1) * rowBytes;
            rows.add(chunk.getGradients().substring(i * rowBytes, end));
        }
        int blocks = header.getRun().getLayout().getBlocksCount();
        for (int i = 0; i < count; i++) {
            double[] q = new double[blocks];
            chunk.getSquaredNorms()
                    .asReadOnlyByteBuffer()
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asDoubleBuffer()
                    .get(i * blocks, q);
            squaredNorms.add(q);
        }
    }

    SamplesHeader header() {
        return header;
    }

    List<Long> ids() {
        return ids;
    }

    List<Long> steps() {
        return steps;
    }

    /** The bytes of each row. */
    List<ByteString> rows() {
        return rows;
    }

    List<double[]> squaredNorms() {
        return squaredNorms;
    }

    int chunkCount() {
        return chunkCount;
    }
}
