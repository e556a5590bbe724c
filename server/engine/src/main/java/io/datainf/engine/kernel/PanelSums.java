package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Sums that are float32 within a tile and float64 over tiles, both in the order of {@link ColumnPanels}, off-heap. */
final class PanelSums implements ColumnSums {

    private final ColumnPanels tile;
    private final MemorySegment totals;

    PanelSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        this.tile = new ColumnPanels(blocks, elementType, columnCount, Lanes.UNIT, arena);
        this.totals = arena.allocate(tile.elementCount() * Double.BYTES, Lanes.REGISTER_BYTES);
    }

    /** Sums of the tile at work. */
    ColumnPanels tile() {
        return tile;
    }

    /** Ends a tile: moves its sums to the totals. */
    void endTile() {
        TotalLoops.move(tile.values(), totals, tile.elementCount());
    }

    @Override
    public int columnCount() {
        return tile.columnCount();
    }

    @Override
    public void addTo(int column, int block, BlockVector target) {
        for (int element = 0; element < target.length(); element += Lanes.UNIT) {
            long at = tile.unitIndex(block, element, column);
            if (element + Lanes.UNIT > target.length()) {
                for (int i = 0; i < target.length() - element; i++) {
                    double total = totals.getAtIndex(ValueLayout.JAVA_DOUBLE, at + tile.inUnit(i));
                    target.set(element + i, target.get(element + i) + total);
                }
            } else if (tile.pairs()) {
                UnitLoops.addPairs(totals, at, tile.registerStep(), target.values(), element);
            } else {
                UnitLoops.add(totals, at, tile.registerStep(), target.values(), element);
            }
        }
    }
}
