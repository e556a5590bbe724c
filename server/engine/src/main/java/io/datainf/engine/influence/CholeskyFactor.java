package io.datainf.engine.influence;

import io.datainf.engine.kernel.SymmetricTiles;

/**
 * Cholesky's method on the threads of a computation. A LAPACK could take its place.
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
    void compute(int block, SymmetricTiles products, SymmetricTiles factor, double scale, double lambda) {
        KernelPool pool = context.pool();
        Work work = context.work();
        int tiles = factor.tileCount();
        double tileCost = Math.pow(SymmetricTiles.TILE, 3);
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
            if (j + 1 < tiles) {
                pool.forEach(tiles - j - 1, work, 0, i -> factor.solveTile(j + 1 + i, j));
            }
        }
    }
}
