package io.datainf.engine.influence;

import java.lang.foreign.MemorySegment;

/**
 * One computation: the influence of every sample of a set on each of m validation points.
 *
 * @param samples the samples, at least one live
 * @param validationCount m
 * @param validationGradients [m, D] row-major, float32 little-endian, finite; borrowed, not changed while the
 *     computation runs
 * @param method how h is found
 * @param damping how lambda is found
 * @param perBlock keep each block's term of the scores as well
 * @param reproducible bit-identical scores for any thread count, load or restart
 */
public record InfluenceRequest(
        SampleSet samples,
        int validationCount,
        MemorySegment validationGradients,
        InfluenceMethod method,
        Damping damping,
        boolean perBlock,
        boolean reproducible) {}
