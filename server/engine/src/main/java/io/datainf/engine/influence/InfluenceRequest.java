package io.datainf.engine.influence;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One computation: the influence of every sample of a set on each of m validation points.
 *
 * @param samples the samples, at least one live
 * @param validationCount m
 * @param validationGradients [m, D] row-major, float32 little-endian, finite, any alignment; borrowed,
 *     readable by every thread and not changed while the computation runs
 * @param method how h is found
 * @param dampings ways to find lambda, each answered apart; at least 1. The products v . g are computed once for all of them
 * @param perBlock keep each block's term of the scores as well
 * @param reproducible bit-identical scores for any thread count, load or restart. They always are: work is split by
 *     rows and layout only
 */
public record InfluenceRequest(
        SampleSet samples,
        int validationCount,
        MemorySegment validationGradients,
        InfluenceMethod method,
        List<Damping> dampings,
        boolean perBlock,
        boolean reproducible) {

    public InfluenceRequest {
        if (samples.sampleCount() < 1) {
            throw new IllegalArgumentException("samples has no live sample: expected at least 1");
        }
        if (validationCount < 1) {
            throw new IllegalArgumentException("validationCount is %d: expected at least 1".formatted(validationCount));
        }
        if (dampings.isEmpty()) {
            throw new IllegalArgumentException("dampings is empty: expected at least 1");
        }
        dampings = List.copyOf(dampings);
        long byteCount = (long) validationCount * samples.layout().dimension() * Float.BYTES;
        if (validationGradients.byteSize() != byteCount) {
            throw new IllegalArgumentException("validationGradients has %d bytes: expected %d, [%d, %d] float32"
                    .formatted(
                            validationGradients.byteSize(),
                            byteCount,
                            validationCount,
                            samples.layout().dimension()));
        }
    }
}
