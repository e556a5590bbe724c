package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.MethodComparison.GradientNormSummary;
import io.datainf.engine.influence.MethodComparison.MethodFigures;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.proto.v1.BlockGradientNorms;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.MethodAgreement;
import io.datainf.proto.v1.MethodComparison;
import io.datainf.proto.v1.PointAgreement;
import io.datainf.sidecar.query.ComparisonAnswer;

/** Encodes comparisons of methods. */
final class ComparisonEncoder {

    private ComparisonEncoder() {}

    static MethodComparison encode(ComparisonAnswer answer) {
        MethodFigures exact = answer.comparison().exact();
        MethodComparison.Builder encoded = MethodComparison.newBuilder()
                .setSnapshot(Encodings.snapshot(answer.facts(), InfluenceMethod.INFLUENCE_METHOD_EXACT))
                .setExactDuration(Encodings.duration(exact.computeDuration().toNanos()));
        exact.solverReport().ifPresent(report -> encoded.setExactReport(Encodings.report(report)));
        answer.comparison().methods().forEach(method -> encoded.addMethods(agreement(method)));
        BlockLayout layout = answer.facts().definition().layout();
        for (int l = 0; l < layout.blockCount(); l++) {
            GradientNormSummary norms = answer.comparison().gradientNorms().get(l);
            encoded.addBlockNorms(BlockGradientNorms.newBuilder()
                    .setName(layout.blocks().get(l).name())
                    .setMin(norms.min())
                    .setLowerQuartile(norms.lowerQuartile())
                    .setMedian(norms.median())
                    .setUpperQuartile(norms.upperQuartile())
                    .setMax(norms.max()));
        }
        return encoded.build();
    }

    private static MethodAgreement agreement(MethodFigures figures) {
        MethodAgreement.Builder encoded = MethodAgreement.newBuilder()
                .setMethod(Methods.encode(figures.method()))
                .setComputeDuration(Encodings.duration(figures.computeDuration().toNanos()));
        figures.solverReport().ifPresent(report -> encoded.setReport(Encodings.report(report)));
        figures.points()
                .forEach(point -> encoded.addPoints(PointAgreement.newBuilder()
                        .setPearson(point.pearson())
                        .setSpearman(point.spearman())
                        .setRelativeError(point.relativeError())));
        return encoded.build();
    }
}
