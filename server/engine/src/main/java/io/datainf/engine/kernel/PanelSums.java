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
        int registers = Math.ceilDiv(target.length(), Lanes.UNIT) * Lanes.UNIT_REGISTERS;
        for (int register = 0; register < registers; register++) {
            long at = tile.registerIndex(block, register, column);
            int element = tile.firstElement(register);
            for (int lane = 0; lane < Lanes.COUNT && element < target.length(); lane++) {
                double total = totals.getAtIndex(ValueLayout.JAVA_DOUBLE, at + lane);
                target.set(element, target.get(element) + total);
                element += tile.elementStep();
            }
        }
    }
}
