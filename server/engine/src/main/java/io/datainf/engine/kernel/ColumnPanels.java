package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/*
 * A loop over rows takes four columns at a time, a panel, and the columns of a panel lie side by side, register by register: one stream of memory
 * instead of four. A single column is a panel of its own. Blocks are cut into chunks and lie one after the other:
 *
 *     [blocks][chunks of the block][panels][registers of the chunk][columns of the panel][lanes]
 *
 * Each block is filled up with zeros to whole units, so that loops need no masks. A register of bfloat16 rows holds pairs; its
 * lower halves are the elements of even position, its upper halves those of odd: columns keep the even ones of a pair of registers
 * before the odd ones.
 */
/** Columns in float32, off-heap, in the order in which the SIMD loops read them. */
final class ColumnPanels implements ColumnVectors {

    /** Columns of a panel. */
    static final int WIDTH = 4;

    /** Elements of a chunk of columns to multiply with. */
    static final int CHUNK = 512;

    private final BlockRange blocks;
    private final int columnCount;
    private final int panelWidth;
    private final int panelCount;
    private final int chunkElements;
    private final boolean pairs;
    private final int[] offsets; // of the blocks, in padded elements of one column
    private final MemorySegment values;

    /**
     * Allocates columns, all 0.
     *
     * @param elementType of the rows that the columns meet
     * @param chunkElements a multiple of {@link Lanes#UNIT}
     */
    ColumnPanels(BlockRange blocks, ElementType elementType, int columnCount, int chunkElements, Arena arena) {
        this.blocks = blocks;
        this.columnCount = columnCount;
        this.panelWidth = columnCount == 1 ? 1 : WIDTH;
        this.panelCount = Math.ceilDiv(columnCount, panelWidth);
        this.chunkElements = chunkElements;
        this.pairs = elementType == ElementType.BF16;
        this.offsets = new int[blocks.blockCount() + 1];
        for (int b = 0; b < blocks.blockCount(); b++) {
            offsets[b + 1] = Math.addExact(offsets[b], Lanes.padded(blocks.width(b)));
        }
        this.values = arena.allocate(elementCount() * Float.BYTES, Lanes.REGISTER_BYTES);
    }

    @Override
    public int columnCount() {
        return columnCount;
    }

    /** Whether the columns are in panels of {@link #WIDTH}; if not, there is one column. */
    boolean panelled() {
        return panelWidth > 1;
    }

    /** Number of panels. */
    int panelCount() {
        return panelCount;
    }

    /** Number of columns with those that fill the last panel. */
    int paddedColumnCount() {
        return panelCount * panelWidth;
    }

    /** Values of all columns, padding included. */
    long elementCount() {
        return (long) offsets[offsets.length - 1] * panelCount * panelWidth;
    }

    MemorySegment values() {
        return values;
    }

    /**
     * Checks that loops over a tile stay within the memory of the columns and meet elements in their order.
     *
     * @throws IllegalArgumentException if the columns are over other blocks or for another type
     */
    void requireFit(GradientTile tile) {
        if (!blocks.equals(tile.blocks()) || pairs != (tile.elementType() == ElementType.BF16)) {
            throw new IllegalArgumentException("columns are over %s%s: expected %s of %s"
                    .formatted(blocks, pairs ? " of BF16" : "", tile.blocks(), tile.elementType()));
        }
    }

    /**
     * Position of the first register of the first panel at an element of a block, in values.
     *
     * @param element a multiple of {@link Lanes#UNIT}
     */
    long index(int block, int element) {
        int inChunk = element % chunkElements;
        return ((long) offsets[block] + element - inChunk) * paddedColumnCount() + (long) inChunk * panelWidth;
    }

    /** Distance from a panel to the next at an element of a block, in values. */
    long panelStride(int block, int element) {
        int chunk = element - element % chunkElements;
        return (long) Math.min(chunkElements, offsets[block + 1] - offsets[block] - chunk) * panelWidth;
    }

    /** Position of lane 0 of the first register of a unit of a column, in values; {@link #registerStep()} from one register to the next. */
    long unitIndex(int block, int element, int column) {
        return index(block, element)
                + column / panelWidth * panelStride(block, element)
                + (long) (column % panelWidth) * Lanes.COUNT;
    }

    /** Distance from a register of a column to the next in a unit, in values. */
    int registerStep() {
        return panelWidth * Lanes.COUNT;
    }

    /** Whether registers hold elements of even and odd position in turn. */
    boolean pairs() {
        return pairs;
    }

    /** Position of an element of a unit in the registers of its column, in values from the first. */
    long inUnit(int element) {
        int register = element / Lanes.COUNT;
        int lane = element % Lanes.COUNT;
        if (pairs) {
            int inPair = element % (2 * Lanes.COUNT);
            register = (register & -2) + (inPair & 1);
            lane = inPair / 2;
        }
        return (long) register * registerStep() + lane;
    }

    @Override
    public void set(int column, int block, double factor, BlockVector source) {
        Objects.checkIndex(column, columnCount);
        Objects.checkIndex(source.length() - 1, blocks.width(block));
        for (int element = 0; element < source.length(); element += Lanes.UNIT) {
            long at = unitIndex(block, element, column);
            if (element + Lanes.UNIT > source.length()) {
                for (int i = 0; i < source.length() - element; i++) {
                    float value = (float) (factor * source.get(element + i));
                    values.setAtIndex(ValueLayout.JAVA_FLOAT, at + inUnit(i), value);
                }
            } else if (pairs) {
                UnitLoops.narrowPairs(source.values(), element, factor, values, at, registerStep());
            } else {
                UnitLoops.narrow(source.values(), element, factor, values, at, registerStep());
            }
        }
    }
}
