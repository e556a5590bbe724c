package io.datainf.sidecar.query;

import java.util.List;

/**
 * What a batch was.
 *
 * @param engineName what computed
 * @param queryCount queries that were computed together
 * @param startNanos when its turn came, as {@link System#nanoTime}
 * @param computeNanos in the kernels
 * @param stages when which passes began
 */
record BatchFigures(String engineName, int queryCount, long startNanos, long computeNanos, List<StageMark> stages) {}
