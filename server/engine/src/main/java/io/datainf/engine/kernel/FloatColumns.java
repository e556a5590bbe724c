package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Columns in float32, [columns, elements] row-major, off-heap. */
final class FloatColumns implements ColumnVectors {

    private final BlockRange blocks;
    private final int columnCount;
    private final MemorySegment values;

    FloatColumns(BlockRange blocks, int columnCount, Arena arena) {
        this.blocks = blocks;
        this.columnCount = columnCount;
        this.values = arena.allocate(ValueLayout.JAVA_FLOAT, (long) columnCount * blocks.elementCount());
    }

    @Override
    public int columnCount() {
        return columnCount;
    }

    MemorySegment values() {
        return values;
    }

    /** Position of an element of the range in {@link #values()}, bytes. */
    long offsetBytes(int column, int element) {
        return ((long) column * blocks.elementCount() + element) * Float.BYTES;
    }

    @Override
    public void set(int column, int block, double factor, BlockVector source) {
        long first = (long) column * blocks.elementCount() + blocks.offset(block);
        for (int i = 0; i < source.length(); i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, first + i, (float) (factor * source.get(i)));
        }
    }
}
