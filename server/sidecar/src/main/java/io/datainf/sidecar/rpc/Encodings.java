package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.UnsafeByteOperations;
import io.datainf.proto.v1.BlockDampings;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.Progress;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.SolverReport;
import io.datainf.sidecar.query.SnapshotFacts;
import java.nio.ByteBuffer;

/** Pieces that several answers have in common. */
final class Encodings {

    private Encodings() {}

    static Progress progress(double fraction) {
        return Progress.newBuilder().setFraction(fraction).build();
    }

    static Duration duration(long nanos) {
        return Duration.newBuilder()
                .setSeconds(nanos / 1_000_000_000)
                .setNanos((int) (nanos % 1_000_000_000))
                .build();
    }

    static BlockDampings dampings(double[] lambda) {
        BlockDampings.Builder dampings = BlockDampings.newBuilder();
        for (int l = 0; l < lambda.length; l++) {
            dampings.addValues(lambda[l]);
            if (lambda[l] == 0) {
                dampings.addSkippedBlocks(l);
            }
        }
        return dampings.build();
    }

    static Snapshot snapshot(SnapshotFacts facts, InfluenceMethod method) {
        return Snapshot.newBuilder()
                .setSampleCount(facts.sampleCount())
                .setRevision(facts.revision())
                .addDampings(dampings(facts.lambda()))
                .setMethod(method)
                .setStoredElementType(ElementTypes.encode(facts.definition().storedType()))
                .setEngine(facts.engineName())
                .build();
    }

    static SolverReport report(io.datainf.engine.influence.SolverReport report) {
        return SolverReport.newBuilder()
                .setConverged(report.converged())
                .setIterations(report.iterations())
                .setRelativeResidual(report.relativeResidual())
                .setSolver(report.solver())
                .build();
    }

    /** Wraps what was written to an array that nobody writes to any more. */
    static ByteString written(ByteBuffer buffer) {
        return UnsafeByteOperations.unsafeWrap(buffer.flip());
    }
}
