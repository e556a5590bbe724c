package io.datainf.sidecar.query;

import io.datainf.engine.influence.MethodComparison;

/**
 * How well methods agree with EXACT.
 *
 * @param facts what was compared on
 * @param comparison the figures
 */
public record ComparisonAnswer(SnapshotFacts facts, MethodComparison comparison) {}
