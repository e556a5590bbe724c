package io.datainf.engine.kernel;

/** The inner products of the rows of a group with all columns, over all blocks of the range. Confined to a thread. */
interface Products {

    /** Computes the products of these rows. */
    void compute(RowGroup rows);

    /** Product of block {@code b} of a row of the group with a column. */
    double get(int b, int row, int column);

    /** Prepares products of at most {@code maxRows} rows, a multiple of 4, of a tile with {@code v}. */
    static Products of(GradientTile tile, int maxRows, ColumnPanels v) {
        return v.panelled() ? new PanelProducts(tile, maxRows, v) : new ColumnProducts(tile, maxRows, v);
    }
}
