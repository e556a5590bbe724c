package io.datainf.engine.run;

import io.datainf.engine.influence.BlockStatistics;
import java.util.BitSet;

/**
 * What is durable in a run at one revision. Immutable.
 *
 * @param revision steps so far
 * @param rowCount rows, dead ones included
 * @param deadRows ordinals of rows that were replaced; not changed
 * @param statistics n and sum of q over the live rows
 */
record RunState(long revision, int rowCount, BitSet deadRows, BlockStatistics statistics) {}
