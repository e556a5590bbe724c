package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Columns and sums in float64, [columns, elements] row-major, off-heap. */
final class DoubleColumns implements ColumnVectors, ColumnSums {

    private final BlockRange blocks;
    private final int columnCount;
    private final MemorySegment values;

    DoubleColumns(BlockRange blocks, int columnCount, Arena arena) {
        this.blocks = blocks;
        this.columnCount = columnCount;
        this.values = arena.allocate(ValueLayout.JAVA_DOUBLE, (long) columnCount * blocks.elementCount());
    }

    @Override
    public int columnCount() {
        return columnCount;
    }

    MemorySegment values() {
        return values;
    }

    /** Position of the first element of a block in {@link #values()}, in elements. */
    long index(int column, int block) {
        return (long) column * blocks.elementCount() + blocks.offset(block);
    }

    @Override
    public void set(int column, int block, double factor, BlockVector source) {
        long first = index(column, block);
        for (int i = 0; i < source.length(); i++) {
            values.setAtIndex(ValueLayout.JAVA_DOUBLE, first + i, factor * source.get(i));
        }
    }

    @Override
    public void addTo(int column, int block, BlockVector target) {
        long first = index(column, block);
        for (int i = 0; i < target.length(); i++) {
            target.set(i, target.get(i) + values.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i));
        }
    }

    /** Adds values of float32 to a column, [elements]. */
    void addFloats(int column, MemorySegment source) {
        long first = (long) column * blocks.elementCount();
        for (int i = 0; i < blocks.elementCount(); i++) {
            double sum = values.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i)
                    + source.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            values.setAtIndex(ValueLayout.JAVA_DOUBLE, first + i, sum);
        }
    }

    /** Adds sums of other kernels over the same blocks. */
    void addAll(ColumnSums others, Arena arena) {
        BlockVector block = new BlockVector(blocks.elementCount(), arena);
        for (int column = 0; column < columnCount; column++) {
            for (int b = 0; b < blocks.blockCount(); b++) {
                block.clear(blocks.width(b));
                others.addTo(column, b, block);
                long first = index(column, b);
                for (int i = 0; i < block.length(); i++) {
                    double sum = values.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i) + block.get(i);
                    values.setAtIndex(ValueLayout.JAVA_DOUBLE, first + i, sum);
                }
            }
        }
    }
}
