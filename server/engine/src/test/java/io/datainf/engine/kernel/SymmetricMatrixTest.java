package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
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
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products, factors and solutions of dense matrices against plain loops. */
class SymmetricMatrixTest {

    private static final double TOLERANCE = 1e-11; // relative, well-conditioned
    private static final double LAMBDA = 3;
    private static final int COLUMNS = 3;

    private final Random random = new Random(23);

    @BeforeAll
    static void openBlasLoads() {
        assertThat(DenseAlgebra.available()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 255, 256, 257, 600})
    void solve_ofProductsOfColumns_solves(int order) {
        try (Arena arena = Arena.ofConfined()) {
            DenseMatrix a = gaussian(77, order, arena);
            SymmetricMatrix products = new SymmetricMatrix(order, arena, () -> {});
            for (int first = 0; first < 77; first += 50) {
                DenseMatrix piece = a.part(first, 0, Math.min(50, 77 - first), order);
                for (int pair = 0; pair < products.pairCount(); pair++) {
                    products.addProductsOfColumns(pair, piece);
                }
            }
            check(products, a, arena);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 255, 256, 257, 600})
    void solve_ofProductsOfRows_solves(int order) {
        try (Arena arena = Arena.ofConfined()) {
            DenseMatrix a = gaussian(77, order, arena);
            DenseMatrix transposed = new DenseMatrix(order, 77, arena);
            for (int i = 0; i < order; i++) {
                for (int k = 0; k < 77; k++) {
                    transposed.set(i, k, a.get(k, i));
                }
            }
            SymmetricMatrix products = new SymmetricMatrix(order, arena, () -> {});
            for (int pair = 0; pair < products.pairCount(); pair++) {
                products.addProductsOfRows(pair, transposed.columns(0, 30));
                products.addProductsOfRows(pair, transposed.columns(30, 47));
            }
            check(products, a, arena);
        }
    }

    /** Checks that a matrix is a' a: its products with columns, and solutions with its factor once there is something on its diagonal. */
    private void check(SymmetricMatrix products, DenseMatrix a, Arena arena) {
        int order = products.order();
        DenseMatrix x = gaussian(order, COLUMNS, arena);
        DenseMatrix y = gaussian(order, COLUMNS, arena);
        products.multiply(x, y, () -> {});
        double scale = 0;
        for (int j = 0; j < COLUMNS; j++) {
            double[] ax = new double[a.rowCount()];
            for (int k = 0; k < ax.length; k++) {
                for (int i = 0; i < order; i++) {
                    ax[k] += a.get(k, i) * x.get(i, j);
                    scale = Math.max(scale, Math.abs(ax[k]));
                }
            }
            for (int i = 0; i < order; i++) {
                double sum = 0;
                for (int k = 0; k < ax.length; k++) {
                    sum += a.get(k, i) * ax[k];
                }
                assertThat(y.get(i, j)).isCloseTo(sum, within(TOLERANCE * (1 + scale) * ax.length));
            }
        }
        SymmetricMatrix factor = new SymmetricMatrix(order, arena, () -> {});
        assertThat(factor(factor, products, LAMBDA)).isTrue();
        y.combine(0.5, LAMBDA, x, 0, x);
        factor.solve(y, () -> {});
        for (int j = 0; j < COLUMNS; j++) {
            for (int i = 0; i < order; i++) {
                assertThat(y.get(i, j)).isCloseTo(x.get(i, j), within(TOLERANCE * (1 + scale)));
            }
        }
        assertThat(factor(factor, products, -1e6)).isFalse();
        assertThat(factor(factor, products, Double.NaN)).isFalse();
        assertThat(factor(factor, products, Double.POSITIVE_INFINITY)).isFalse();
    }

    private static boolean factor(SymmetricMatrix factor, SymmetricMatrix source, double diagonal) {
        for (int pair = 0; pair < factor.pairCount(); pair++) {
            factor.copyTile(pair, source, 0.5, diagonal);
        }
        for (int j = 0; j < factor.tileCount(); j++) {
            for (int i = j; i < factor.tileCount(); i++) {
                factor.update(i, j);
            }
            if (!factor.factorDiagonal(j)) {
                return false;
            }
            for (int i = j + 1; i < factor.tileCount(); i++) {
                factor.solveTile(i, j);
            }
        }
        return true;
    }

    @Test
    void work_stopsBetweenBlockColumns() {
        try (Arena arena = Arena.ofConfined()) {
            SymmetricMatrix matrix = new SymmetricMatrix(3 * SymmetricMatrix.TILE, arena, () -> {});
            DenseMatrix x = new DenseMatrix(matrix.order(), 1, arena);
            DenseMatrix y = new DenseMatrix(matrix.order(), 1, arena);
            int[] checks = {0};
            Runnable check = () -> {
                checks[0]++;
                if (checks[0] == 2) {
                    throw new CancellationException();
                }
            };
            assertThatThrownBy(() -> matrix.multiply(x, y, check)).isInstanceOf(CancellationException.class);
            checks[0] = 0;
            assertThatThrownBy(() -> matrix.solve(x, check)).isInstanceOf(CancellationException.class);
            checks[0] = 0;
            assertThatThrownBy(() -> new SymmetricMatrix(matrix.order(), arena, check))
                    .isInstanceOf(CancellationException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 256, 257, 1000})
    void byteCount_isThatOfTheBlockColumns(int order) {
        long expected = IntStream.range(0, order)
                .mapToLong(c -> order - c / SymmetricMatrix.TILE * SymmetricMatrix.TILE)
                .sum();
        assertThat(SymmetricMatrix.byteCount(order)).isEqualTo(expected * Double.BYTES);
    }

    @Test
    void byteCount_beyondTheRangeOfInt_isRight() {
        // Two triangles of 50,000 rows: half of 50,000^2 each, and half a tile a row.
        assertThat(SymmetricMatrix.byteCount(50_000))
                .isBetween(4L * 50_000 * 50_000, 4L * 50_000 * (50_000 + 2 * SymmetricMatrix.TILE));
    }

    @ParameterizedTest
    @CsvSource({"F32, 31", "BF16, 31", "F32, 1"})
    void widen_copiesElementsOfRows(ElementType type, int elements) {
        try (GradientMatrix gradients = gradients(9, 40, type);
                Arena arena = Arena.ofConfined()) {
            int[] ordinals = {8, 0, 3, 5};
            DenseMatrix target = gaussian(40, 5, arena);
            target.part(2, 1, elements, 3).widen(gradients, ordinals, 1, 9);
            for (int column = 0; column < 3; column++) {
                for (int e = 0; e < elements; e++) {
                    float expected = ElementConversion.elementAt(gradients.row(ordinals[1 + column]), type, 9 + e);
                    assertThat(target.get(2 + e, 1 + column)).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void shapesThatDoNotFit_areRefused() {
        try (Arena arena = Arena.ofConfined()) {
            DenseMatrix a = new DenseMatrix(3, 2, arena);
            assertThatThrownBy(() -> a.addProduct(1, a, a))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("matrix is 3 x 2: expected 2 x 2");
            assertThatThrownBy(() -> a.part(1, 0, 3, 1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> a.copy(a.columns(0, 1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("3 x 1");
        }
    }

    private DenseMatrix gaussian(int rows, int columns, Arena arena) {
        DenseMatrix matrix = new DenseMatrix(rows, columns, arena);
        for (int c = 0; c < columns; c++) {
            for (int r = 0; r < rows; r++) {
                matrix.set(r, c, random.nextGaussian());
            }
        }
        return matrix;
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
}
