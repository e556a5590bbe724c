package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;

/**
 * Products with panels of columns. The columns of a span of elements stay in the second cache while all rows pass by, four at a time; a chunk of the four
 * stays in the first cache while all panels pass by.
 */
final class PanelProducts implements Products {

    private static final int ROWS = 4;

    private final BlockRange blocks;
    private final ColumnPanels v;
    private final boolean pairs;
    private final int spanElements;
    private final int maxRows;
    private final LaneSums sums; // of four rows: [panels, ROWS, columns of a panel]
    private final double[] dots; // [blocks, rows / ROWS, sums of four rows]

    PanelProducts(GradientTile tile, int maxRows, ColumnPanels v) {
        this.blocks = tile.blocks();
        this.v = v;
        this.pairs = tile.elementType() == ElementType.BF16;
        this.spanElements = LaneSums.spanElements(tile.elementType());
        this.maxRows = maxRows;
        this.sums = new LaneSums(tile.elementType(), ROWS * v.paddedColumnCount());
        this.dots = new double[blocks.blockCount() * maxRows * v.paddedColumnCount()];
    }

    @Override
    public void compute(RowGroup rows) {
        Arrays.fill(dots, 0);
        for (int b = 0; b < blocks.blockCount(); b++) {
            int width = blocks.width(b);
            for (int element = 0; element < width; element += spanElements) {
                int end = Math.min(element + spanElements, width);
                for (int i = 0; i < rows.rowCount(); i += ROWS) {
                    sums.clear();
                    rows.startBlock(b, element, end);
                    while (rows.nextPiece(ColumnPanels.CHUNK)) {
                        multiply(rows, b, i);
                    }
                    sums.addLanesTo(dots, (b * maxRows + i) * v.paddedColumnCount());
                }
            }
        }
    }

    private void multiply(RowGroup rows, int b, int i) {
        long first = v.index(b, rows.element()) * Float.BYTES;
        long stride = v.panelStride(b, rows.element()) * Float.BYTES;
        long g0 = rows.offset(i);
        long g1 = rows.offset(i + 1);
        long g2 = rows.offset(i + 2);
        long g3 = rows.offset(i + 3);
        for (int panel = 0; panel < v.panelCount(); panel++) {
            long v0 = first + panel * stride;
            int product = panel * ROWS * ColumnPanels.WIDTH;
            int at = sums.even(product);
            if (pairs) {
                long odd = v0 + ColumnPanels.WIDTH * Lanes.REGISTER_BYTES;
                int oddAt = sums.odd(product);
                Bf16PanelLoops.dotsEven4(rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), v0, sums.lanes(), at);
                Bf16PanelLoops.dotsOdd4(
                        rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), odd, sums.lanes(), oddAt);
            } else {
                PanelLoops.dots4(rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), v0, sums.lanes(), at);
            }
        }
    }

    @Override
    public double get(int b, int row, int column) {
        int quad = (b * maxRows + row / ROWS * ROWS) * v.paddedColumnCount();
        int panel = column / ColumnPanels.WIDTH * ROWS * ColumnPanels.WIDTH;
        return dots[quad + panel + row % ROWS * ColumnPanels.WIDTH + column % ColumnPanels.WIDTH];
    }
}
