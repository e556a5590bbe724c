/**
 * Runs: what one fine-tuning job has streamed in. Ties rows, statistics and the store together, orders the writes, and gives
 * queries immutable snapshots.
 */
@NullMarked
package io.datainf.engine.run;

import org.jspecify.annotations.NullMarked;
