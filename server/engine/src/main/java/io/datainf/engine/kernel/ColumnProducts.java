package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;

/**
 * Products with a single column. Two rows at a time are read over all blocks of the range without a stop; their lanes are added up afterwards, because
 * a sum waits for the memory and whatever comes next would wait for the sum. The loop of bfloat16 takes too many instructions a register to reach
 * far ahead of the memory, so its rows are fetched first.
 */
final class ColumnProducts implements Products {

    // Elements of bfloat16 that are fetched before they are multiplied: two rows of them take a quarter of the second
    // cache.
    private static final int FETCH_ELEMENTS = 65_536;

    private final BlockRange blocks;
    private final ColumnPanels v;
    private final boolean pairs;
    private final int spanElements;
    private final int maxRows;
    private final int[] firstSpans; // of the blocks
    private final LaneSums sums; // [spans of all blocks, rows]

    ColumnProducts(GradientTile tile, int maxRows, ColumnPanels v) {
        this.blocks = tile.blocks();
        this.v = v;
        this.pairs = tile.elementType() == ElementType.BF16;
        this.spanElements = LaneSums.spanElements(tile.elementType());
        this.maxRows = maxRows;
        this.firstSpans = new int[blocks.blockCount() + 1];
        for (int b = 0; b < blocks.blockCount(); b++) {
            firstSpans[b + 1] = firstSpans[b] + Math.ceilDiv(blocks.width(b), spanElements);
        }
        this.sums = new LaneSums(tile.elementType(), firstSpans[blocks.blockCount()] * maxRows);
    }

    @Override
    public void compute(RowGroup rows) {
        sums.clear();
        for (int i = 0; i < rows.rowCount(); i += 2) {
            int fetched = 0;
            for (int b = 0; b < blocks.blockCount(); b++) {
                rows.startBlock(b);
                while (rows.nextPiece(spanElements)) {
                    int element = blocks.offset(b) + rows.element();
                    if (pairs && element >= fetched) {
                        fetched = Math.min(element + FETCH_ELEMENTS, blocks.elementCount());
                        rows.fetch(i, element, fetched);
                    }
                    int span = firstSpans[b] + rows.element() / spanElements;
                    multiply(rows, i, v.index(b, rows.element()) * Float.BYTES, span * maxRows + i);
                }
            }
        }
        sums.addLanes();
    }

    private void multiply(RowGroup rows, int i, long v0, int product) {
        int at = sums.even(product);
        if (pairs) {
            Bf16ColumnLoops.dots2(
                    rows.piece(),
                    rows.offset(i),
                    rows.offset(i + 1),
                    rows.units(),
                    v.values(),
                    v0,
                    sums.lanes(),
                    at,
                    sums.odd(product));
        } else {
            ColumnLoops.dots2(
                    rows.piece(), rows.offset(i), rows.offset(i + 1), rows.units(), v.values(), v0, sums.lanes(), at);
        }
    }

    @Override
    public double get(int b, int row, int column) {
        double sum = 0;
        for (int span = firstSpans[b]; span < firstSpans[b + 1]; span++) {
            sum += sums.get(span * maxRows + row);
        }
        return sum;
    }
}
