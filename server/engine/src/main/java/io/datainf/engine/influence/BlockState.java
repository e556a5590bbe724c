package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import java.lang.foreign.Arena;

/**
 * Vectors over the blocks of a plan that an iteration keeps, [L, columns]. Off-heap; all 0 at first. A block is worked on by one thread at a
 * time.
 */
final class BlockState implements ColumnSource {

    private final BlockVector[] vectors;
    private final int columnCount;

    /** Allocates vectors that live as long as {@code arena}, which is a shared one. */
    BlockState(ScanPlan plan, int columnCount, Arena arena) {
        this.columnCount = columnCount;
        this.vectors = new BlockVector[plan.samples().layout().blockCount() * columnCount];
        for (BlockRange range : plan.ranges()) {
            for (int b = 0; b < range.blockCount(); b++) {
                for (int j = 0; j < columnCount; j++) {
                    BlockVector vector = new BlockVector(range.width(b), arena);
                    vector.clear(range.width(b));
                    vectors[(range.firstBlock() + b) * columnCount + j] = vector;
                }
            }
        }
    }

    /** The vector of a block of the layout and a column. */
    BlockVector get(int block, int column) {
        return vectors[block * columnCount + column];
    }

    int columnCount() {
        return columnCount;
    }

    /** Takes the values of another source for all blocks and columns. */
    void copy(ScanContext context, ColumnSource source) {
        context.pool().forEach(context.plan().ranges().size(), context.work(), 0, r -> {
            BlockRange range = context.plan().ranges().get(r);
            for (int b = 0; b < range.blockCount(); b++) {
                for (int j = 0; j < columnCount; j++) {
                    source.load(range, b, j, get(range.firstBlock() + b, j));
                }
            }
        });
    }

    @Override
    public double load(BlockRange range, int block, int column, BlockVector target) {
        BlockVector vector = get(range.firstBlock() + block, column);
        target.copy(vector);
        return vector.norm();
    }
}
