package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * Columns in float32, [columns, elements] row-major, off-heap, filled up with columns of 0 to whole {@link Nd4jGroups}. The device gets them
 * when they are first used.
 */
final class Nd4jColumns implements ColumnVectors {

    private final BlockRange blocks;
    private final int columnCount;
    private final MemorySegment values;
    // The arena frees the device's copy through the segment that is made with it.
    private final Arena arena;
    private volatile @Nullable INDArray array;

    Nd4jColumns(BlockRange blocks, int columnCount, Arena arena) {
        this.blocks = blocks;
        this.columnCount = columnCount;
        this.arena = arena;
        this.values = arena.allocate(
                ValueLayout.JAVA_FLOAT, (long) Nd4jGroups.paddedCount(columnCount) * blocks.elementCount());
    }

    @Override
    public int columnCount() {
        return columnCount;
    }

    @Override
    public void set(int column, int block, double factor, BlockVector source) {
        long first = (long) column * blocks.elementCount() + blocks.offset(block);
        for (int i = 0; i < source.length(); i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, first + i, (float) (factor * source.get(i)));
        }
    }

    /** Block {@code b} of a group of columns from its element {@code element} on, [count, columns]. */
    INDArray block(int firstColumn, int columns, int b, int element, int count) {
        long first = (long) firstColumn * blocks.elementCount() + blocks.offset(b) + element;
        return Nd4jArrays.matrix(array(), first, count, columns, 1, blocks.elementCount());
    }

    private INDArray array() {
        INDArray present = array;
        return present == null ? createArray() : present;
    }

    @SuppressWarnings("restricted") // the segment stays the same; it only gets something to do when the arena closes
    private synchronized INDArray createArray() {
        INDArray present = array;
        if (present != null) {
            return present;
        }
        INDArray created = Nd4jArrays.wrap(values, values.byteSize() / Float.BYTES);
        values.reinterpret(arena, segment -> created.close());
        array = created;
        return created;
    }
}
