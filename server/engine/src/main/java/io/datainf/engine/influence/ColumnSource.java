package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;

/** Where the columns x of a pass come from, block by block. Asked by several threads, for a block by one at a time. */
@FunctionalInterface
interface ColumnSource {

    /** Loads block {@code block} of the range, from 0, of a column, and returns its norm, which is finite. */
    double load(BlockRange range, int block, int column, BlockVector target);
}
