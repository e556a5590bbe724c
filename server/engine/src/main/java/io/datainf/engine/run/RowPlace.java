package io.datainf.engine.run;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Where the rows of a batch arrive: where they are going to lie if everything before them is stored; otherwise beside.
 *
 * @param firstOrdinal ordinal of the first row if everything before is stored
 * @param rowCount rows of the batch
 * @param rows the memory of these ordinals, reserved; null if they arrive beside
 */
record RowPlace(long firstOrdinal, int rowCount, @Nullable MemorySegment rows) {}
