package io.datainf.engine.kernel;

/**
 * Weighted sums of stored gradients over a {@link BlockRange}, [columns, elements], 0 at first. Summed over tiles in float64,
 * whatever the precision inside a tile. One thread at a time.
 */
public interface ColumnSums {

    /** Number of columns. */
    int columnCount();

    /**
     * Adds one block of one column to {@code target}.
     *
     * @param block block of the range, from 0
     * @param target [d_l]
     */
    void addTo(int column, int block, BlockVector target);
}
