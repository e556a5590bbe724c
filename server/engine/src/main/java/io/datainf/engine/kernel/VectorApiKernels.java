package io.datainf.engine.kernel;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/*
 * Rows are taken in groups that stay in the second cache: first the products of a block (Products), then its sums (RowSums), so rows come from memory once.
 * With one column the memory is the limit: groups are of four rows, tiles of long runs of blocks (ColumnLoops). With more the processor is: groups are of 32 rows and
 * meet four columns at a time (PanelLoops). Columns and sums lie in the order in which the loops read them (ColumnPanels). Blocks are
 * cut into whole units and a rest filled up with zeros (RowGroup), so loops need no masks.
 */
/** SIMD loops of the Vector API: float32 inside a tile, float64 over tiles. bfloat16 rows are widened in registers. */
final class VectorApiKernels implements GradientKernels {

    static final VectorApiKernels INSTANCE = new VectorApiKernels();

    private static final int ONE_COLUMN_ELEMENTS = 49_152;
    private static final int COLUMN_ROWS = 4;
    private static final int PANEL_ROWS = 32;

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
        return new ColumnPanels(blocks, elementType, columnCount, ColumnPanels.CHUNK, arena);
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new PanelSums(blocks, elementType, columnCount, arena);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        ColumnPanels v = (ColumnPanels) vectors;
        v.requireFit(tile);
        int groupRows = v.panelled() ? PANEL_ROWS : COLUMN_ROWS;
        try (Arena arena = Arena.ofConfined()) {
            RowGroup rows = new RowGroup(tile, groupRows, arena);
            Products products = Products.of(tile, groupRows, v);
            for (int row = 0; row < tile.rowCount(); row += groupRows) {
                rows.moveTo(row);
                products.compute(rows);
                copyDots(rows, products, tile, v.columnCount(), dots);
            }
        }
    }

    private static void copyDots(RowGroup rows, Products products, GradientTile tile, int columnCount, double[] dots) {
        for (int b = 0; b < tile.blocks().blockCount(); b++) {
            for (int j = 0; j < columnCount; j++) {
                int first = (b * columnCount + j) * tile.rowCount() + rows.firstRow();
                for (int i = 0; i < rows.rowCount(); i++) {
                    dots[first + i] = products.get(b, i, j);
                }
            }
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        ColumnPanels v = (ColumnPanels) vectors;
        PanelSums r = (PanelSums) sums;
        v.requireFit(tile);
        r.tile().requireFit(tile);
        int groupRows = v.panelled() ? PANEL_ROWS : COLUMN_ROWS;
        try (Arena arena = Arena.ofConfined()) {
            RowGroup rows = new RowGroup(tile, groupRows, arena);
            Products products = Products.of(tile, groupRows, v);
            RowSums rowSums = new RowSums(tile.elementType(), groupRows, r.tile());
            for (int row = 0; row < tile.rowCount(); row += groupRows) {
                rows.moveTo(row);
                products.compute(rows);
                for (int b = 0; b < tile.blocks().blockCount(); b++) {
                    rowSums.weigh(rows, tile, b, products, weights, v.columnCount());
                    rowSums.add(rows, b);
                }
            }
        }
        r.endTile();
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target) {
        BlockLayout layout = blocks.layout();
        double[] lanes = new double[NormLoops.LANES_LENGTH];
        for (int l = blocks.firstBlock(); l < blocks.endBlock(); l++) {
            long offsetBytes = (long) layout.offset(l) * elementType.byteCount();
            target[l] = switch (elementType) {
                case F32 -> NormLoops.squaredNormF32(row, offsetBytes, layout.width(l), lanes);
                case BF16 -> NormLoops.squaredNormBf16(row, offsetBytes, layout.width(l), lanes);
                case F16 -> throw new IllegalArgumentException("elementType is F16: expected F32 or BF16");
            };
        }
    }
}
