package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products, factors and solutions of tiled matrices against plain loops. */
class SymmetricTilesTest {

    private static final double TOLERANCE = 1e-11; // relative, well-conditioned
    private static final double LAMBDA = 3;

    private final Random random = new Random(23);

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 63, 64, 65, 127, 200})
    void solve_ofProductsOfSamples_solves(int n) {
        try (GradientMatrix gradients = gradients(n + 2, 77, ElementType.F32);
                Arena arena = Arena.ofShared()) {
            int[] ordinals = new int[n];
            for (int k = 0; k < n; k++) {
                ordinals[k] = k < 1 ? 0 : k + 1; // row 1 is left out
            }
            SymmetricTiles products = new SymmetricTiles(n, arena);
            TilePanels panels = new TilePanels(products.tileCount(), 50, arena);
            for (int first = 5; first < 75; first += 50) {
                panels.resize(Math.min(50, 75 - first));
                for (int panel = 0; panel < products.tileCount(); panel++) {
                    panels.packSamples(panel, gradients, ordinals, first);
                }
                addProducts(products, panels);
            }
            double[][] expected = new double[n][n];
            for (int i = 0; i < n; i++) {
                for (int k = 0; k < n; k++) {
                    for (int e = 5; e < 75; e++) {
                        expected[i][k] += element(gradients, ordinals[i], e) * element(gradients, ordinals[k], e);
                    }
                }
            }
            check(products, expected, arena);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, F32", "64, F32", "70, BF16", "131, F32"})
    void solve_ofProductsOfElements_solves(int width, ElementType type) {
        try (GradientMatrix gradients = gradients(90, 140, type);
                Arena arena = Arena.ofShared()) {
            int[] ordinals = new int[80];
            for (int k = 0; k < ordinals.length; k++) {
                ordinals[k] = 89 - k;
            }
            SymmetricTiles products = new SymmetricTiles(width, arena);
            TilePanels panels = new TilePanels(products.tileCount(), 30, arena);
            for (int first = 0; first < ordinals.length; first += 30) {
                panels.resize(Math.min(30, ordinals.length - first));
                for (int panel = 0; panel < products.tileCount(); panel++) {
                    panels.packElements(panel, gradients, ordinals, first, 9, width);
                }
                addProducts(products, panels);
            }
            double[][] expected = new double[width][width];
            for (int ordinal : ordinals) {
                for (int e = 0; e < width; e++) {
                    for (int f = 0; f < width; f++) {
                        expected[e][f] += element(gradients, ordinal, 9 + e) * element(gradients, ordinal, 9 + f);
                    }
                }
            }
            check(products, expected, arena);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 64, 100})
    void panels_addDotsAndSumLanes(int n) {
        try (GradientMatrix gradients = gradients(n, 40, ElementType.F32);
                Arena arena = Arena.ofShared()) {
            int[] ordinals = new int[n];
            double[] weights = new double[SymmetricTiles.tileCount(n) * SymmetricTiles.TILE];
            for (int k = 0; k < n; k++) {
                ordinals[k] = k;
                weights[k] = random.nextGaussian();
            }
            TilePanels panels = new TilePanels(SymmetricTiles.tileCount(n), 40, arena);
            panels.resize(33);
            BlockVector x = vector(33, arena);
            double[] dots = new double[weights.length];
            for (int panel = 0; panel < SymmetricTiles.tileCount(n); panel++) {
                panels.packSamples(panel, gradients, ordinals, 4);
                panels.addDots(panel, x, dots);
            }
            BlockVector sum = new BlockVector(40, arena);
            panels.sumLanes(weights, sum);
            for (int e = 0; e < 33; e++) {
                double expected = 0;
                for (int k = 0; k < n; k++) {
                    expected += weights[k] * element(gradients, k, 4 + e);
                }
                assertThat(sum.get(e)).isCloseTo(expected, within(1e-12 * n));
            }
            for (int k = 0; k < n; k++) {
                double expected = 0;
                for (int e = 0; e < 33; e++) {
                    expected += x.get(e) * element(gradients, k, 4 + e);
                }
                assertThat(dots[k]).isCloseTo(expected, within(1e-12));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 16, 17, 300, 9000})
    void greatestLaneNorm_isThatOfTheWorstLaneAndSpan(int length) {
        try (Arena arena = Arena.ofShared()) {
            BlockVector x = vector(length, arena);
            double greatest = 0;
            for (int first = 0; first < length; first += 4096) {
                for (int lane = 0; lane < 16; lane++) {
                    double squares = 0;
                    for (int e = first + lane; e < Math.min(first + 4096, length); e += 16) {
                        squares += x.get(e) * x.get(e);
                    }
                    greatest = Math.max(greatest, Math.sqrt(squares));
                }
            }
            assertThat(x.greatestLaneNorm(16, 4096)).isCloseTo(greatest, within(1e-12 * greatest));
        }
    }

    private void check(SymmetricTiles products, double[][] expected, Arena arena) {
        int order = expected.length;
        double[] x = new double[products.paddedOrder()];
        for (int i = 0; i < order; i++) {
            x[i] = random.nextGaussian();
        }
        double[] y = new double[products.paddedOrder()];
        products.multiply(x, y);
        double scale = 0;
        for (int i = 0; i < order; i++) {
            double sum = 0;
            for (int k = 0; k < order; k++) {
                sum += expected[i][k] * x[k];
                scale = Math.max(scale, Math.abs(expected[i][k]));
            }
            assertThat(y[i]).isCloseTo(sum, within(TOLERANCE * scale * order));
        }
        SymmetricTiles factor = new SymmetricTiles(order, arena);
        for (int pair = 0; pair < factor.pairCount(); pair++) {
            factor.copyTile(pair, products, 0.5, LAMBDA);
        }
        assertThat(factor(factor)).isTrue();
        double[] b = new double[x.length];
        for (int i = 0; i < order; i++) {
            b[i] = 0.5 * y[i] + LAMBDA * x[i];
        }
        factor.solve(b);
        for (int i = 0; i < x.length; i++) {
            assertThat(b[i]).isCloseTo(i < order ? x[i] : 0, within(TOLERANCE * (1 + scale)));
        }
        for (int pair = 0; pair < factor.pairCount(); pair++) {
            factor.copyTile(pair, products, 0.5, -1e6 * (1 + scale));
        }
        assertThat(factor(factor)).isFalse();
    }

    private static boolean factor(SymmetricTiles tiles) {
        for (int j = 0; j < tiles.tileCount(); j++) {
            for (int i = j; i < tiles.tileCount(); i++) {
                tiles.update(i, j);
            }
            if (!tiles.factorDiagonal(j)) {
                return false;
            }
            for (int i = j + 1; i < tiles.tileCount(); i++) {
                tiles.solveTile(i, j);
            }
        }
        return true;
    }

    private static void addProducts(SymmetricTiles products, TilePanels panels) {
        for (int pair = 0; pair < products.pairCount(); pair++) {
            products.addProducts(pair, panels);
        }
    }

    private BlockVector vector(int length, Arena arena) {
        BlockVector vector = new BlockVector(length, arena);
        vector.clear(length);
        for (int e = 0; e < length; e++) {
            vector.set(e, random.nextGaussian());
        }
        return vector;
    }

    private GradientMatrix gradients(int rows, int width, ElementType type) {
        GradientMatrix gradients = new GradientMatrix(BlockLayout.of(List.of(new Block("block", 1, width))), type);
        for (int k = 0; k < rows; k++) {
            float[] row = new float[width];
            for (int e = 0; e < width; e++) {
                row[e] = (float) random.nextGaussian();
            }
            ElementConversion.convert(MemorySegment.ofArray(row), ElementType.F32, gradients.nextRow(), type, width);
            gradients.publishRow();
        }
        return gradients;
    }

    private static double element(GradientMatrix gradients, int ordinal, int element) {
        return ElementConversion.elementAt(gradients.row(ordinal), gradients.elementType(), element);
    }
}
