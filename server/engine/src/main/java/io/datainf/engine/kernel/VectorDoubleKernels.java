package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** SIMD loops of the Vector API in float64 throughout: the way out where float32 is not enough. */
final class VectorDoubleKernels implements GradientKernels {

    static final VectorDoubleKernels INSTANCE = new VectorDoubleKernels();

    private static final int ONE_COLUMN_ELEMENTS = 16_384;

    private VectorDoubleKernels() {}

    @Override
    public String name() {
        return "vector-double";
    }

    @Override
    public double relativeError() {
        return ScalarKernels.INSTANCE.relativeError();
    }

    @Override
    public int preferredElements(int columnCount) {
        return columnCount == 1 ? ONE_COLUMN_ELEMENTS : 1;
    }

    @Override
    public ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        DoubleColumns v = (DoubleColumns) vectors;
        try (Arena arena = Arena.ofConfined()) {
            DoubleRows rows = new DoubleRows(tile, v.columnCount(), 0, arena);
            for (int row = 0; row < tile.rowCount(); row += DoubleRows.ROWS) {
                rows.moveTo(row);
                for (int b = 0; b < tile.blocks().blockCount(); b++) {
                    rows.computeDots(b, v);
                    rows.copyDots(dots, b * v.columnCount() * tile.rowCount());
                }
            }
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        DoubleColumns v = (DoubleColumns) vectors;
        DoubleColumns r = (DoubleColumns) sums;
        try (Arena arena = Arena.ofConfined()) {
            DoubleRows rows = new DoubleRows(tile, v.columnCount(), r.columnCount(), arena);
            for (int row = 0; row < tile.rowCount(); row += DoubleRows.ROWS) {
                rows.moveTo(row);
                for (int b = 0; b < tile.blocks().blockCount(); b++) {
                    rows.computeDots(b, v);
                    rows.weightDots(weights, b);
                    rows.addRows(b, r);
                }
            }
        }
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target) {
        VectorApiKernels.INSTANCE.squaredNorms(row, blocks, elementType, target);
    }
}
