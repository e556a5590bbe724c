package io.datainf.engine.kernel;

import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Arrays that products are written to, kept while their shapes stay the same. One thread at a time. */
final class Nd4jScratch implements AutoCloseable {

    private @Nullable INDArray products;
    private @Nullable INDArray coefficients;
    private @Nullable INDArray sums;

    /** Room for products of rows with columns, [rows, columns]. */
    INDArray products(int rows, int columns) {
        INDArray fitting = fit(products, rows, columns);
        products = fitting;
        return fitting;
    }

    /** Room for coefficients of rows, [rows, columns]. */
    INDArray coefficients(int rows, int columns) {
        INDArray fitting = fit(coefficients, rows, columns);
        coefficients = fitting;
        return fitting;
    }

    /** Room for sums of rows, [elements, columns]. */
    INDArray sums(int elements, int columns) {
        INDArray fitting = fit(sums, elements, columns);
        sums = fitting;
        return fitting;
    }

    @Override
    public void close() {
        close(products);
        close(coefficients);
        close(sums);
    }

    private static INDArray fit(@Nullable INDArray array, int rows, int columns) {
        if (array != null && array.size(0) == rows && array.size(1) == columns) {
            return array;
        }
        close(array);
        return Nd4jArrays.allocate(rows, columns);
    }

    private static void close(@Nullable INDArray array) {
        if (array != null) {
            array.close();
        }
    }
}
