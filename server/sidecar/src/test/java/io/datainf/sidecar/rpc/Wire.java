package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.RunDefinition;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.zip.CRC32C;

/** Builds messages. */
final class Wire {

    private Wire() {}

    /** Rows one after the other, as F32. */
    static ByteString f32(float[]... rows) {
        return encode(ElementType.F32, rows);
    }

    static ByteString encode(ElementType type, float[]... rows) {
        int count = 0;
        for (float[] row : rows) {
            count += row.length;
        }
        ByteBuffer bytes = ByteBuffer.allocate(count * type.byteCount()).order(ByteOrder.LITTLE_ENDIAN);
        for (float[] row : rows) {
            for (float value : row) {
                switch (type) {
                    case F32 -> bytes.putFloat(value);
                    case BF16 -> bytes.putShort(ElementConversion.floatToBf16(value));
                    case F16 -> bytes.putShort(Float.floatToFloat16(value));
                }
            }
        }
        return ByteString.copyFrom(bytes.flip());
    }

    static int crc32c(ByteString bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.toByteArray());
        return (int) crc.getValue();
    }

    static Open.Builder open(RunDefinition run, String writerId) {
        return Open.newBuilder()
                .setRunId(run.id().value())
                .setWriterId(writerId)
                .setLayoutHash(run.layout().hash())
                .setCheckpoint(run.checkpoint());
    }

    /** A batch of samples with ids {@code firstId} and following. */
    static SampleBatch.Builder batch(long batchSeq, long firstId, ByteString gradients, int sampleCount) {
        SampleBatch.Builder batch = SampleBatch.newBuilder()
                .setBatchSeq(batchSeq)
                .setCrc32C(crc32c(gradients))
                .setGradients(gradients);
        for (int i = 0; i < sampleCount; i++) {
            batch.addSampleIds(firstId + i);
        }
        return batch;
    }

    static SampleBatch.Builder batch(long batchSeq, long firstId, float[]... rows) {
        return batch(batchSeq, firstId, f32(rows), rows.length);
    }

    /** A fragment of sample {@code id}: elements {@code from} to {@code to} of {@code row}. */
    static SampleBatch.Builder fragment(long batchSeq, long id, float[] row, int from, int to) {
        ByteString gradients = f32(Arrays.copyOfRange(row, from, to));
        return batch(batchSeq, id, gradients, 1).setElementOffset(from);
    }

    static IngestRequest message(Open.Builder open) {
        return IngestRequest.newBuilder().setOpen(open).build();
    }

    static IngestRequest message(SampleBatch.Builder batch) {
        return IngestRequest.newBuilder().setBatch(batch).build();
    }
}
