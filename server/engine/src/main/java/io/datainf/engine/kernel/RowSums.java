package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Adds the rows of a group to the sums of a tile, block by block, each row multiplied by its coefficients. Confined to a thread. */
final class RowSums {

    private static final int WHOLE_BLOCK = Integer.MAX_VALUE / Lanes.UNIT * Lanes.UNIT;

    private final ColumnPanels r;
    private final int columns;
    private final boolean pairs;
    private final float[] coefficients; // [rows, columns]

    /** Prepares sums of at most {@code maxRows} rows, a multiple of 4, in {@code r}. */
    RowSums(ElementType elementType, int maxRows, ColumnPanels r) {
        this.r = r;
        this.columns = r.paddedColumnCount();
        this.pairs = elementType == ElementType.BF16;
        this.coefficients = new float[maxRows * columns];
    }

    /** Makes the coefficients of block {@code b} of the rows: products times weights, [sets, blocks, rows of the tile]. */
    void weigh(RowGroup rows, GradientTile tile, int b, Products products, double[] weights, int columnCount) {
        Arrays.fill(coefficients, 0);
        for (int first = 0; first < r.columnCount(); first += columnCount) {
            int set = first / columnCount;
            int firstWeight = (set * tile.blocks().blockCount() + b) * tile.rowCount() + rows.firstRow();
            for (int i = 0; i < rows.rowCount(); i++) {
                double weight = weights[firstWeight + i];
                if (weight != 0) {
                    for (int j = 0; j < columnCount; j++) {
                        coefficients[i * columns + first + j] = (float) (weight * products.get(b, i, j));
                    }
                }
            }
        }
    }

    /** Adds block {@code b} of the rows. */
    void add(RowGroup rows, int b) {
        rows.startBlock(b);
        if (r.panelled()) {
            while (rows.nextPiece(Lanes.UNIT)) {
                addToPanels(rows, b);
            }
        } else {
            while (rows.nextPiece(WHOLE_BLOCK)) {
                addToColumn(rows, b);
            }
        }
    }

    private void addToColumn(RowGroup rows, int b) {
        long r0 = r.index(b, rows.element()) * Float.BYTES;
        for (int i = 0; i < rows.rowCount(); i += 4) {
            long g0 = rows.offset(i);
            long g1 = rows.offset(i + 1);
            long g2 = rows.offset(i + 2);
            long g3 = rows.offset(i + 3);
            if (pairs) {
                Bf16ColumnLoops.addRows4(rows.piece(), g0, g1, g2, g3, rows.units(), coefficients, i, r.values(), r0);
            } else {
                ColumnLoops.addRows4(rows.piece(), g0, g1, g2, g3, rows.units(), coefficients, i, r.values(), r0);
            }
        }
    }

    private void addToPanels(RowGroup rows, int b) {
        MemorySegment piece = rows.piece();
        long g0 = rows.offset(0);
        long stride = rows.strideBytes();
        long first = r.index(b, rows.element()) * Float.BYTES;
        long panelStride = r.panelStride(b, rows.element()) * Float.BYTES;
        for (int j = 0; j < r.columnCount(); j += 2) {
            long r0 = first + j / ColumnPanels.WIDTH * panelStride + j % ColumnPanels.WIDTH * Lanes.REGISTER_BYTES;
            if (pairs) {
                Bf16PanelLoops.addRows2(piece, g0, stride, rows.rowCount(), coefficients, j, columns, r.values(), r0);
            } else {
                PanelLoops.addRows2(piece, g0, stride, rows.rowCount(), coefficients, j, columns, r.values(), r0);
            }
        }
    }
}
