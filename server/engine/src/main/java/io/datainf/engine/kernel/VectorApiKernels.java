package io.datainf.engine.kernel;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/*
 * Rows are taken four at a time (RowGroup): each piece of them meets all columns while it lies in the cache, so rows come from memory
 * once. The SIMD loops are in FloatLoops (products), Bf16Loops (widening) and NormLoops (squared norms). Sums of lanes are
 * added up one by one, never by reduceLanes, whose order is not defined.
 */
/** SIMD loops of the Vector API: float32 inside a tile, float64 over tiles. bfloat16 rows are widened piece by piece. */
final class VectorApiKernels implements GradientKernels {

    static final VectorApiKernels INSTANCE = new VectorApiKernels();

    private static final int ONE_COLUMN_ELEMENTS = 32_768;

    private VectorApiKernels() {}

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public double relativeError() {
        return 8 * 0x1p-24;
    }

    @Override
    public int preferredElements(int columnCount) {
        return columnCount == 1 ? ONE_COLUMN_ELEMENTS : 1;
    }

    @Override
    public ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new FloatColumns(blocks, columnCount, arena);
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new FloatTileSums(blocks, columnCount, arena);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        FloatColumns v = (FloatColumns) vectors;
        try (RowGroup group = new RowGroup(tile, v.columnCount(), 0)) {
            for (int row = 0; row < tile.rowCount(); row += RowGroup.ROWS) {
                group.moveTo(row);
                for (int b = 0; b < tile.blocks().blockCount(); b++) {
                    group.computeDots(b, v);
                    group.copyDots(dots, b * v.columnCount() * tile.rowCount());
                }
            }
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        FloatColumns v = (FloatColumns) vectors;
        FloatTileSums r = (FloatTileSums) sums;
        try (RowGroup group = new RowGroup(tile, v.columnCount(), r.columnCount())) {
            for (int row = 0; row < tile.rowCount(); row += RowGroup.ROWS) {
                group.moveTo(row);
                for (int b = 0; b < tile.blocks().blockCount(); b++) {
                    group.computeDots(b, v);
                    group.weightDots(weights, b);
                    group.addRows(b, r.tile());
                }
            }
        }
        r.endTile();
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockLayout layout, ElementType elementType, double[] target) {
        double[] lanes = new double[NormLoops.LANES_LENGTH];
        for (int l = 0; l < layout.blockCount(); l++) {
            long offsetBytes = (long) layout.offset(l) * elementType.byteCount();
            target[l] = switch (elementType) {
                case F32 -> NormLoops.squaredNormF32(row, offsetBytes, layout.width(l), lanes);
                case BF16 -> NormLoops.squaredNormBf16(row, offsetBytes, layout.width(l), lanes);
                case F16 -> throw new IllegalArgumentException("elementType is F16: expected F32 or BF16");
            };
        }
    }
}
