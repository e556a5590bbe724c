package io.datainf.engine.kernel;

import io.datainf.engine.memory.BlockLayout;
import java.util.Objects;

/**
 * Adjacent blocks of a layout: one run of columns of a row. Blocks of the range are counted from 0.
 *
 * @param layout the blocks of a row
 * @param firstBlock first block of the range
 * @param endBlock block after the last one; greater than {@code firstBlock}
 */
public record BlockRange(BlockLayout layout, int firstBlock, int endBlock) {

    public BlockRange {
        Objects.checkFromToIndex(firstBlock, endBlock, layout.blockCount());
        if (firstBlock == endBlock) {
            throw new IllegalArgumentException("range of blocks is empty at %d".formatted(firstBlock));
        }
    }

    /** Number of blocks. */
    public int blockCount() {
        return endBlock - firstBlock;
    }

    /** Position in the row of the first element, in elements. */
    public int rowOffset() {
        return layout.offset(firstBlock);
    }

    /** Elements of all blocks of the range. */
    public int elementCount() {
        return offset(blockCount());
    }

    /** Position in the range of the first element of block {@code index} of the range, in elements. */
    public int offset(int index) {
        return layout.offset(firstBlock + index) - rowOffset();
    }

    /** Elements of block {@code index} of the range. */
    public int width(int index) {
        return layout.width(firstBlock + index);
    }
}
