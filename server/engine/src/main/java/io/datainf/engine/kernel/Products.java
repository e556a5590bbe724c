package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;

/*
 * A lane sums float32 over at most 256 elements; then lanes are added up in float64, one by one in a fixed order, never by reduceLanes, whose order is
 * not defined. A product has the same bits however many rows and columns are computed with it.
 */
/** The inner products of the rows of a group with all columns, block by block. Confined to a thread. */
final class Products {

    // Registers of a row whose products are summed in float32.
    private static final int SPAN_REGISTERS = 256;

    /** Elements of a row that meet all columns while they lie in the first cache. */
    static final int CHUNK = 1024;

    private final ColumnPanels v;
    private final int columns;
    private final boolean pairs;
    private final int spanElements;
    private final int oddLanes; // where in lanes those of odd elements begin
    private final float[] lanes; // [even and odd elements][rows / 4, panels, 4 rows, 4 columns, lanes] or [rows, lanes]
    private final double[] dots; // [rows, columns]

    /** Prepares products of at most {@code maxRows} rows, a multiple of 4, with {@code v}. */
    Products(ElementType elementType, int maxRows, ColumnPanels v) {
        this.v = v;
        this.columns = v.paddedColumnCount();
        this.pairs = elementType == ElementType.BF16;
        this.spanElements = SPAN_REGISTERS * Lanes.COUNT * (pairs ? 2 : 1);
        this.oddLanes = maxRows * columns * Lanes.COUNT;
        this.lanes = new float[pairs ? 2 * oddLanes : oddLanes];
        this.dots = new double[maxRows * columns];
    }

    /** Computes the products of block {@code b}. */
    void compute(RowGroup rows, int b) {
        Arrays.fill(dots, 0);
        Arrays.fill(lanes, 0);
        rows.startBlock(b);
        while (rows.nextPiece(v.panelled() ? CHUNK : spanElements)) {
            if (rows.element() > 0 && rows.element() % spanElements == 0) {
                addLanes(rows.rowCount());
            }
            if (v.panelled()) {
                multiplyPanels(rows, b);
            } else {
                multiplyColumn(rows, b);
            }
        }
        addLanes(rows.rowCount());
    }

    /** Product of a row of the group with a column. */
    double get(int row, int column) {
        return dots[row * columns + column];
    }

    /** Copies the products of all rows of the group to {@code target}, whose row {@code i} of column {@code j} is at {@code first + j * stride + i}. */
    void copyTo(int rowCount, double[] target, int first, int stride) {
        for (int j = 0; j < v.columnCount(); j++) {
            for (int i = 0; i < rowCount; i++) {
                target[first + j * stride + i] = get(i, j);
            }
        }
    }

    private void multiplyColumn(RowGroup rows, int b) {
        long v0 = v.panelIndex(b, rows.element(), 0) * Float.BYTES;
        for (int i = 0; i < rows.rowCount(); i += 2) {
            long g0 = rows.offset(i);
            long g1 = rows.offset(i + 1);
            int at = laneIndex(i, 0);
            if (pairs) {
                Bf16ColumnLoops.dots2(rows.piece(), g0, g1, rows.units(), v.values(), v0, lanes, at, at + oddLanes);
            } else {
                ColumnLoops.dots2(rows.piece(), g0, g1, rows.units(), v.values(), v0, lanes, at);
            }
        }
    }

    private void multiplyPanels(RowGroup rows, int b) {
        for (int i = 0; i < rows.rowCount(); i += 4) {
            for (int panel = 0; panel < v.panelCount(); panel++) {
                long v0 = v.panelIndex(b, rows.element(), panel) * Float.BYTES;
                multiplyPanel(rows, i, v0, laneIndex(i, panel * ColumnPanels.WIDTH));
            }
        }
    }

    private void multiplyPanel(RowGroup rows, int i, long v0, int at) {
        long g0 = rows.offset(i);
        long g1 = rows.offset(i + 1);
        long g2 = rows.offset(i + 2);
        long g3 = rows.offset(i + 3);
        if (pairs) {
            long odd = v0 + ColumnPanels.WIDTH * Lanes.REGISTER_BYTES;
            int oddAt = at + oddLanes;
            Bf16PanelLoops.dotsEven4(rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), v0, lanes, at);
            Bf16PanelLoops.dotsOdd4(rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), odd, lanes, oddAt);
        } else {
            PanelLoops.dots4(rows.piece(), g0, g1, g2, g3, rows.units(), v.values(), v0, lanes, at);
        }
    }

    /** Position of the lanes of a product. */
    private int laneIndex(int row, int column) {
        if (!v.panelled()) {
            return row * Lanes.COUNT;
        }
        int tile = row / 4 * v.panelCount() + column / ColumnPanels.WIDTH;
        return ((tile * 4 + row % 4) * ColumnPanels.WIDTH + column % ColumnPanels.WIDTH) * Lanes.COUNT;
    }

    /** Adds the lanes to the products and sets them to 0. */
    private void addLanes(int rowCount) {
        for (int i = 0; i < rowCount; i++) {
            for (int j = 0; j < columns; j++) {
                int at = laneIndex(i, j);
                double sum = Lanes.sum(lanes, at);
                if (pairs) {
                    sum += Lanes.sum(lanes, at + oddLanes);
                }
                dots[i * columns + j] += sum;
            }
        }
        Arrays.fill(lanes, 0);
    }
}
