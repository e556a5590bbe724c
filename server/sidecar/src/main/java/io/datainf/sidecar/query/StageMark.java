package io.datainf.sidecar.query;

import io.datainf.engine.influence.WorkMonitor;

/**
 * The begin of a stage of a computation.
 *
 * @param beginNanos when, by {@link System#nanoTime}
 */
public record StageMark(WorkMonitor.Stage stage, long beginNanos) {}
