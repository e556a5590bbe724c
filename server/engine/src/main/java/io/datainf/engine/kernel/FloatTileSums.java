package io.datainf.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Sums that are float32 within a tile and float64 over tiles, both [columns, elements] row-major, off-heap. */
final class FloatTileSums implements ColumnSums {

    private final BlockRange blocks;
    private final FloatColumns tile;
    private final MemorySegment totals;
    private final long elementCount;

    FloatTileSums(BlockRange blocks, int columnCount, Arena arena) {
        this.blocks = blocks;
        this.tile = new FloatColumns(blocks, columnCount, arena);
        this.elementCount = (long) columnCount * blocks.elementCount();
        this.totals = arena.allocate(ValueLayout.JAVA_DOUBLE, elementCount);
    }

    /** Sums of the tile at work. */
    FloatColumns tile() {
        return tile;
    }

    /** Ends a tile: moves its sums to the totals. */
    void endTile() {
        MemorySegment sums = tile.values();
        for (long i = 0; i < elementCount; i++) {
            double total = totals.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
            totals.setAtIndex(ValueLayout.JAVA_DOUBLE, i, total + sums.getAtIndex(ValueLayout.JAVA_FLOAT, i));
        }
        sums.fill((byte) 0);
    }

    @Override
    public int columnCount() {
        return tile.columnCount();
    }

    @Override
    public void addTo(int column, int block, BlockVector target) {
        long first = (long) column * blocks.elementCount() + blocks.offset(block);
        for (int i = 0; i < target.length(); i++) {
            target.set(i, target.get(i) + totals.getAtIndex(ValueLayout.JAVA_DOUBLE, first + i));
        }
    }
}
