package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.proto.v1.ComputeSelfInfluenceResponse;
import io.datainf.proto.v1.Estimate;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.Summary;
import io.grpc.stub.BlockingClientCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The answer of ComputeSelfInfluence, whose order it checks. */
@SuppressWarnings("ArrayRecordComponent") // test data, not changed
record SelfInfluenceReply(
        Estimate estimate, List<Double> progress, Snapshot snapshot, long[] ids, double[] values, Summary summary) {

    private static final long PATIENCE_SECONDS = 60;

    static SelfInfluenceReply read(BlockingClientCall<?, ComputeSelfInfluenceResponse> call) throws Exception {
        List<ComputeSelfInfluenceResponse> parts = new ArrayList<>();
        for (ComputeSelfInfluenceResponse part = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
                part != null;
                part = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            parts.add(part);
        }
        assertThat(parts).first().matches(ComputeSelfInfluenceResponse::hasEstimate);
        List<Double> progress = new ArrayList<>();
        int at = 1;
        for (; parts.get(at).hasProgress(); at++) {
            progress.add(parts.get(at).getProgress().getFraction());
        }
        assertThat(progress).isSorted().allMatch(fraction -> fraction >= 0 && fraction <= 1);
        assertThat(parts.get(at)).matches(ComputeSelfInfluenceResponse::hasSnapshot);
        ByteBuffer ids = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer values = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
        Snapshot snapshot = parts.get(at++).getSnapshot();
        for (; parts.get(at).hasScores(); at++) {
            parts.get(at).getScores().getSampleIds().copyTo(ids);
            parts.get(at).getScores().getScores().copyTo(values);
        }
        assertThat(at).isEqualTo(parts.size() - 1);
        assertThat(parts.get(at)).matches(ComputeSelfInfluenceResponse::hasSummary);
        long[] idArray = new long[ids.flip().remaining() / Long.BYTES];
        double[] valueArray = new double[values.flip().remaining() / Double.BYTES];
        ids.asLongBuffer().get(idArray);
        values.asDoubleBuffer().get(valueArray);
        return new SelfInfluenceReply(
                parts.getFirst().getEstimate(),
                progress,
                snapshot,
                idArray,
                valueArray,
                parts.get(at).getSummary());
    }
}
