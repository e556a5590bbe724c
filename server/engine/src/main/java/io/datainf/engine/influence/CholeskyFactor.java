package io.datainf.engine.influence;

import io.datainf.engine.kernel.SymmetricMatrix;

/**
 * Cholesky's method on the threads of a computation, tile by tile, so that it tells how far it is and stops when it should.
 *
 * @param context whose threads and layout are used
 */
record CholeskyFactor(ScanContext context) {

    /**
     * Factors scale * products + lambda I. O(n^3 / 6).
     *
     * @param block block that the matrix belongs to
     * @param factor receives the factor
     * @throws ArithmeticException if the matrix is not positive definite in float64
     */
    void compute(int block, SymmetricMatrix products, SymmetricMatrix factor, double scale, double lambda) {
        KernelPool pool = context.pool();
        Work work = context.work();
        int tiles = factor.tileCount();
        double tileCost = Math.pow((double) factor.order() / tiles, 3);
        pool.forEach(factor.pairCount(), work, 0, pair -> factor.copyTile(pair, products, scale, lambda));
        for (int column = 0; column < tiles; column++) {
            int j = column;
            pool.forEach(tiles - j, work, tileCost * j * (tiles - j), i -> factor.update(j + i, j));
            if (!factor.factorDiagonal(j)) {
                throw new ArithmeticException(
                        "damping %s of block '%s' is too small for EXACT: the matrix is not positive definite in float64"
                                .formatted(
                                        lambda,
                                        context.samples()
                                                .layout()
                                                .blocks()
                                                .get(block)
                                                .name()));
            }
            pool.forEach(tiles - j - 1, work, 0, i -> factor.solveTile(j + 1 + i, j));
        }
    }
}
