package io.datainf.sidecar.rpc;

import com.google.protobuf.Timestamp;
import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.SquaredNormSummary;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.run.Erasure;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.GetStatisticsResponse;
import java.time.Instant;

/** Describes runs and their statistics in the protocol's terms. */
final class RunEncoder {

    private RunEncoder() {}

    /** Describes a run with what costs more to find out: ids of damaged samples, and how far others are erased. */
    static io.datainf.proto.v1.Run encodeWhole(Run run) {
        Erasure erasure = run.erasure();
        io.datainf.proto.v1.Run.Builder encoded = encode(run).toBuilder()
                .addAllDamagedSampleIds(run.damagedSamples().sampleIds())
                .setUnerasedSampleCount(erasure.deadCount())
                .setErasedRevision(erasure.erasedRevision());
        erasure.compactTime().ifPresent(time -> encoded.setCompactTime(encode(time)));
        return encoded.build();
    }

    static io.datainf.proto.v1.Run encode(Run run) {
        RunDefinition definition = run.definition();
        return io.datainf.proto.v1.Run.newBuilder()
                .setRunId(definition.id().value())
                .setLayout(encode(definition.layout()))
                .setStoredElementType(ElementTypes.encode(definition.storedType()))
                .setDampingScale(definition.dampingScale())
                .setCheckpoint(definition.checkpoint())
                .putAllLabels(definition.labels())
                .setLayoutHash(definition.layout().hash())
                .setDimension(definition.layout().dimension())
                .setSampleCount(run.sampleCount())
                .setRevision(run.revision())
                .setDamagedSampleCount(run.damagedCount())
                .setResidentSampleCount(run.residentCount())
                .setCreateTime(encode(run.createTime()))
                .build();
    }

    /** Describes each block over the samples of a snapshot. O(n L log n). */
    static GetStatisticsResponse statistics(RunSnapshot snapshot) {
        SampleSet samples = snapshot.samples();
        BlockLayout layout = samples.layout();
        BlockStatistics statistics = samples.statistics();
        double[] lambda = samples.sampleCount() == 0
                ? new double[layout.blockCount()]
                : new Damping.Scaled(snapshot.definition().dampingScale()).lambda(layout, statistics);
        GetStatisticsResponse.Builder response = GetStatisticsResponse.newBuilder()
                .setRevision(snapshot.revision())
                .setSampleCount(samples.sampleCount());
        for (int l = 0; l < layout.blockCount(); l++) {
            SquaredNormSummary summary = SquaredNormSummary.of(samples, l);
            response.addBlocks(io.datainf.proto.v1.BlockStatistics.newBuilder()
                    .setName(layout.blocks().get(l).name())
                    .setDimension(layout.width(l))
                    .setSquaredNormSum(statistics.squaredNormSums()[l])
                    .setDamping(lambda[l])
                    .setSquaredNormMin(summary.min())
                    .setSquaredNormMedian(summary.median())
                    .setSquaredNormMax(summary.max())
                    .setZeroGradientCount(summary.zeroCount())
                    .setSkipped(lambda[l] == 0));
        }
        return response.build();
    }

    private static Timestamp encode(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }

    private static io.datainf.proto.v1.BlockLayout encode(BlockLayout layout) {
        io.datainf.proto.v1.BlockLayout.Builder encoded = io.datainf.proto.v1.BlockLayout.newBuilder();
        for (Block block : layout.blocks()) {
            encoded.addBlocks(io.datainf.proto.v1.Block.newBuilder()
                    .setName(block.name())
                    .setRows(block.rows())
                    .setColumns(block.columns()));
        }
        return encoded.build();
    }
}
