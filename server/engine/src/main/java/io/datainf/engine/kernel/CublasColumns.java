package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/*
 * cuBLAS wants both operands of one type. A number of float32 is the sum of three of bfloat16: what is cut off after 8 bits, after 16, and the rest. So rows of bfloat16 are
 * multiplied with three columns instead of one, and nothing is rounded.
 */
/**
 * Columns in float32 in memory of the host, [columns, elements], and what becomes of them on the device: [groups, parts, columns of the group, elements], in the type of
 * the rows. Filled by one thread, then read by any number; the copies are made by the thread that holds the device's lock.
 */
final class CublasColumns implements ColumnVectors {

    /** Numbers of bfloat16 that make one of float32. */
    static final int BF16_PARTS = 3;

    private static final int ALIGNMENT_ELEMENTS = 8;

    private final BlockRange blocks;
    private final ElementType elementType;
    private final int columnCount;
    private final int groupColumns;
    private final Arena arena;
    private final MemorySegment values;
    private @Nullable ColumnVectors onHost; // guarded by this
    private long address; // 0: not on the device

    /**
     * Allocates columns, all 0.
     *
     * @param groupColumns columns that are multiplied at once
     */
    CublasColumns(BlockRange blocks, ElementType elementType, int columnCount, int groupColumns, Arena arena) {
        this.blocks = blocks;
        this.elementType = elementType;
        this.columnCount = columnCount;
        this.groupColumns = groupColumns;
        this.arena = arena;
        this.values = arena.allocate(ValueLayout.JAVA_FLOAT, (long) columnCount * blocks.elementCount());
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

    /** Columns that are multiplied at once; the last group may have fewer. */
    int groupColumns() {
        return groupColumns;
    }

    /** Columns of the group that begins with this one. */
    int columnsFrom(int firstColumn) {
        return Math.min(groupColumns, columnCount - firstColumn);
    }

    /** Columns on the device for each of these. */
    static int parts(ElementType rows) {
        return rows == ElementType.BF16 ? BF16_PARTS : 1;
    }

    /** Distance from one column to the next on the device, elements. */
    static int leadingDimension(BlockRange blocks) {
        return Math.ceilDiv(blocks.elementCount(), ALIGNMENT_ELEMENTS) * ALIGNMENT_ELEMENTS;
    }

    private int elementBytes() {
        return elementType == ElementType.BF16 ? Short.BYTES : Float.BYTES;
    }

    private long columnBytes() {
        return (long) leadingDimension(blocks) * elementBytes();
    }

    /** What the columns take on the device, bytes. */
    long deviceBytes() {
        return (long) columnCount * parts(elementType) * columnBytes();
    }

    /** Where the columns lie on the device; 0 if they do not. */
    long address() {
        return address;
    }

    /** Where the columns of a group lie, from the one that begins it. */
    long groupAddress(int firstColumn) {
        return address + (long) firstColumn * parts(elementType) * columnBytes();
    }

    /**
     * Says where the columns lie on the device.
     *
     * @param release gives that memory back; called when the columns go
     */
    @SuppressWarnings("restricted") // the segment stays the same; it only gets something to do when the arena closes
    void setAddress(long address, Runnable release) {
        this.address = address;
        MemorySegment ignored = values.reinterpret(arena, segment -> release.run());
    }

    /** Writes the columns as they lie on the device, {@link #deviceBytes()}. */
    void fill(MemorySegment target) {
        for (int column = 0; column < columnCount; column++) {
            int group = column / groupColumns;
            int inGroup = columnsFrom(group * groupColumns);
            for (int part = 0; part < parts(elementType); part++) {
                long place = (long) group * groupColumns * parts(elementType)
                        + (long) part * inGroup
                        + column % groupColumns;
                fill(column, part, target.asSlice(place * columnBytes(), columnBytes()));
            }
        }
    }

    private void fill(int column, int part, MemorySegment target) {
        long first = (long) column * blocks.elementCount();
        for (int i = 0; i < blocks.elementCount(); i++) {
            float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, first + i);
            if (elementType == ElementType.BF16) {
                target.setAtIndex(ValueLayout.JAVA_SHORT, i, part(value, part));
            } else {
                target.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            }
        }
    }

    /** The bits of the first, second or third number of bfloat16 whose sum a number is. */
    private static short part(float value, int part) {
        float rest = value;
        int bits = 0;
        for (int p = 0; p <= part; p++) {
            bits = Float.floatToRawIntBits(rest) & 0xffff0000;
            rest -= Float.intBitsToFloat(bits);
        }
        return (short) (bits >>> Short.SIZE);
    }

    /** The same columns for kernels of the host. */
    synchronized ColumnVectors onHost(GradientKernels host) {
        ColumnVectors present = onHost;
        if (present != null) {
            return present;
        }
        ColumnVectors vectors = host.newVectors(blocks, elementType, columnCount, arena);
        BlockVector block = new BlockVector(blocks.elementCount(), arena);
        for (int j = 0; j < columnCount; j++) {
            for (int b = 0; b < blocks.blockCount(); b++) {
                block.load(values, (long) j * blocks.elementCount() + blocks.offset(b), blocks.width(b));
                vectors.set(j, b, 1, block);
            }
        }
        onHost = vectors;
        return vectors;
    }
}
