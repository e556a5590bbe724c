package io.datainf.engine.kernel;

/**
 * Some vectors over a {@link BlockRange}, the right-hand operand of products with stored gradients, [columns, elements]; in
 * the precision, order and memory of the kernels that made them. Filled by one thread; from then on any number may read.
 */
public interface ColumnVectors {

    /** Number of columns. */
    int columnCount();

    /**
     * Sets one block of one column to {@code factor * values}, rounded to the precision of the kernels.
     *
     * @param block block of the range, from 0
     * @param values [d_l]; copied
     */
    void set(int column, int block, double factor, BlockVector values);
}
