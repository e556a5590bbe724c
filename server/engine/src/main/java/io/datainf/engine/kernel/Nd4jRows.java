package io.datainf.engine.kernel;

import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The rows of a tile where ND4J multiplies them, float32. Valid until closed.
 *
 * @param array holds them
 * @param firstElement position of element 0 of the block range in row 0
 * @param rowCount rows
 * @param stride distance of rows, in elements
 * @param blocks the columns
 * @param release what closing does
 */
record Nd4jRows(INDArray array, long firstElement, int rowCount, long stride, BlockRange blocks, Runnable release)
        implements AutoCloseable {

    /** Block {@code b} from its element {@code element} on, [rows, count]. */
    INDArray block(int b, int element, int count) {
        return Nd4jArrays.matrix(array, firstElement + blocks.offset(b) + element, rowCount, count, stride, 1);
    }

    /** The same, [count, rows]. */
    INDArray transposedBlock(int b) {
        return Nd4jArrays.matrix(array, firstElement + blocks.offset(b), blocks.width(b), rowCount, 1, stride);
    }

    @Override
    public void close() {
        release.run();
    }
}
