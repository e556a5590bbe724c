package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;

/** Products with panels of columns: chunks of four rows stay in the first cache while all panels pass by. */
final class PanelProducts implements Products {

    private final BlockRange blocks;
    private final ColumnPanels v;
    private final boolean pairs;
    private final int spanElements;
    private final LaneSums sums; // [rows / 4, panels, 4 rows, 4 columns]
    private final double[] dots; // [blocks, products of a block]
    private final int dotCount;

    PanelProducts(GradientTile tile, int maxRows, ColumnPanels v) {
        this.blocks = tile.blocks();
        this.v = v;
        this.pairs = tile.elementType() == ElementType.BF16;
        this.spanElements = LaneSums.spanElements(tile.elementType());
        this.dotCount = maxRows * v.paddedColumnCount();
        this.sums = new LaneSums(tile.elementType(), dotCount);
        this.dots = new double[blocks.blockCount() * dotCount];
    }

    @Override
    public void compute(RowGroup rows) {
        for (int b = 0; b < blocks.blockCount(); b++) {
            sums.clear();
            rows.startBlock(b);
            while (rows.nextPiece(ColumnPanels.CHUNK)) {
                if (rows.element() > 0 && rows.element() % spanElements == 0) {
                    sums.addLanes();
                }
                multiply(rows, b);
            }
            sums.addLanes();
            sums.copyTo(dots, b * dotCount);
        }
    }

    @Override
    public double get(int b, int row, int column) {
        return dots[b * dotCount + product(row, column)];
    }

    private void multiply(RowGroup rows, int b) {
        long first = v.index(b, rows.element()) * Float.BYTES;
        long stride = v.panelStride(b, rows.element()) * Float.BYTES;
        for (int i = 0; i < rows.rowCount(); i += 4) {
            multiply(rows, i, first, stride);
        }
    }

    private void multiply(RowGroup rows, int i, long first, long stride) {
        long g0 = rows.offset(i);
        long g1 = rows.offset(i + 1);
        long g2 = rows.offset(i + 2);
        long g3 = rows.offset(i + 3);
        for (int panel = 0; panel < v.panelCount(); panel++) {
            long v0 = first + panel * stride;
            int product = product(i, panel * ColumnPanels.WIDTH);
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

    private int product(int row, int column) {
        int tile = row / 4 * v.panelCount() + column / ColumnPanels.WIDTH;
        return (tile * 4 + row % 4) * ColumnPanels.WIDTH + column % ColumnPanels.WIDTH;
    }
}
