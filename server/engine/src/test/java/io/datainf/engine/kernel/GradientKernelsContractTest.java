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
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What every implementation of {@link GradientKernels} must do, against loops written down straight from the definition. */
class GradientKernelsContractTest {

    private static final long SEED = 20_260_101;
    // Squares are summed in float64 whatever the kernels.
    private static final double NORM_TOLERANCE = 64 * 0x1p-53;
    private static final int TILE_ROWS = 256;
    private static final int[] WIDTHS = {1, 1021, 2, 3, 127, 7, 13, 1, 2053, 17, 31, 61, 251, 4099, 64, 1};
    private static final int[] COLUMN_COUNTS = {1, 2, 3, 7, 8, 16, 32, 33};

    static List<Arguments> kernelsAndTypes() {
        return withTypes(List.of(GradientKernels.scalar(), GradientKernels.vector(), GradientKernels.exact()));
    }

    static List<Arguments> withTypes(List<GradientKernels> all) {
        List<Arguments> arguments = new ArrayList<>();
        for (GradientKernels kernels : all) {
            for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
                arguments.add(Arguments.of(kernels.name(), kernels, type));
            }
        }
        return arguments;
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void dots_ofAnyWidthAndColumnCount_equalDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 23, WIDTHS)) {
            for (int m : COLUMN_COUNTS) {
                fixture.checkDots(kernels, 0, 23, fixture.allBlocks(), m);
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void dots_ofAnyRowsAndBlocks_equalDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 2 * TILE_ROWS + 3, 1, 5, 37, 2, 67)) {
            for (int rows : new int[] {1, 2, 3, 4, 5, 31, 255, 256}) {
                fixture.checkDots(kernels, 0, rows, fixture.allBlocks(), 3);
            }
            fixture.checkDots(kernels, 254, 2, fixture.allBlocks(), 1);
            fixture.checkDots(kernels, 256 + 100, 156, fixture.blocks(2, 3), 2);
            fixture.checkDots(kernels, 512, 3, fixture.blocks(1, 4), 2);
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void accumulate_ofAnyWidthAndColumnCount_equalsDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 23, WIDTHS)) {
            for (int m : COLUMN_COUNTS) {
                fixture.checkAccumulate(kernels, 23, fixture.allBlocks(), m);
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void accumulate_overSeveralTiles_equalsDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 2 * TILE_ROWS + 3, 1, 5, 37, 2, 67)) {
            for (int rows : new int[] {1, 3, 4, 255, 256, 257, 515}) {
                fixture.checkAccumulate(kernels, rows, fixture.blocks(1, 5), 3);
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void accumulate_withSeveralSetsOfWeights_equalsDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, TILE_ROWS + 3, 1, 5, 37, 2, 67)) {
            for (int m : new int[] {1, 2, 3, 8}) {
                fixture.checkAccumulate(kernels, TILE_ROWS + 3, fixture.blocks(1, 5), m, 3);
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void columns_computedTogetherOrApart_haveEqualBits(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 9, 67, 3)) {
            double[] together = fixture.dots(kernels, 0, 9, fixture.allBlocks(), 5);
            for (int j = 0; j < 5; j++) {
                double[] apart = fixture.dots(kernels, 0, 9, fixture.allBlocks(), j, 1);
                for (int b = 0; b < 2; b++) {
                    assertThat(Arrays.copyOfRange(together, (b * 5 + j) * 9, (b * 5 + j + 1) * 9))
                            .containsExactly(Arrays.copyOfRange(apart, b * 9, (b + 1) * 9));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void squaredNorms_ofAnyMemory_equalDefinition(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 3, WIDTHS);
                Arena arena = Arena.ofConfined()) {
            MemorySegment row = fixture.matrix.row(1);
            MemorySegment heap =
                    MemorySegment.ofArray(new byte[(int) row.byteSize() + 1]).asSlice(1);
            MemorySegment unaligned = arena.allocate(row.byteSize() + 3).asSlice(3);
            for (MemorySegment memory : List.of(row, heap.copyFrom(row), unaligned.copyFrom(row))) {
                double[] q = new double[WIDTHS.length];
                // Some blocks after the others, as rows arrive.
                kernels.squaredNorms(memory, new BlockRange(fixture.layout, 1, WIDTHS.length), type, q);
                assertThat(q[0]).isZero();
                kernels.squaredNorms(memory, new BlockRange(fixture.layout, 0, 1), type, q);
                for (int l = 0; l < WIDTHS.length; l++) {
                    double expected = norm(fixture.row(1, l));
                    assertThat(Math.sqrt(q[l])).isCloseTo(expected, within(NORM_TOLERANCE * expected));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void squaredNorms_areNotFinite_whereAnElementIsNot(String name, GradientKernels kernels, ElementType type) {
        try (Fixture fixture = new Fixture(type, 1, 5, 131, 7)) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                for (int element = 0; element < 131; element++) {
                    float[] values = new float[143];
                    Arrays.fill(values, Float.MAX_VALUE / 2);
                    values[5 + element] = bad;
                    MemorySegment row = MemorySegment.ofArray(new byte[143 * type.byteCount()]);
                    ElementConversion.convert(MemorySegment.ofArray(values), ElementType.F32, row, type, 143);
                    double[] q = new double[3];
                    kernels.squaredNorms(row, new BlockRange(fixture.layout, 0, 3), type, q);
                    assertThat(q[0]).isFinite();
                    assertThat(Double.isFinite(q[1])).isFalse();
                    assertThat(q[2]).isFinite();
                }
            }
        }
    }

    private static double norm(double[] values) {
        return Math.sqrt(dot(values, values));
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    /** Random rows with NaN in the padding between them, and random columns. */
    private static final class Fixture implements AutoCloseable {

        private static final int MAX_COLUMNS = 33;

        private final BlockLayout layout;
        private final ElementType type;
        private final GradientMatrix matrix;
        private final Arena arena = Arena.ofConfined();
        private final MemorySegment columns; // [MAX_COLUMNS, D] float32

        Fixture(ElementType type, int rowCount, int... widths) {
            List<Block> blocks = new ArrayList<>();
            for (int width : widths) {
                blocks.add(new Block("block" + blocks.size(), 1, width));
            }
            this.layout = BlockLayout.of(blocks);
            this.type = type;
            this.matrix = new GradientMatrix(layout, type);
            Random random = new Random(SEED);
            MemorySegment row = random(random, layout.dimension());
            for (int i = 0; i < rowCount; i++) {
                row.copyFrom(random(random, layout.dimension()));
                ElementConversion.convert(row, ElementType.F32, matrix.nextRow(), type, layout.dimension());
                matrix.publishRow();
                fillPadding(i);
            }
            this.columns = random(random, MAX_COLUMNS * layout.dimension());
        }

        private MemorySegment random(Random random, int count) {
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            for (int i = 0; i < count; i++) {
                values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
            }
            return values;
        }

        private void fillPadding(int row) {
            MemorySegment padding = matrix.rows(row, 1).asSlice(matrix.rowBytes());
            padding.fill((byte) 0xff); // NaN in either type
        }

        BlockRange allBlocks() {
            return blocks(0, layout.blockCount());
        }

        BlockRange blocks(int first, int end) {
            return new BlockRange(layout, first, end);
        }

        double[] row(int i, int l) {
            float[] values = new float[layout.dimension()];
            ElementConversion.toFloats(matrix.row(i), type, values, 0, values.length);
            return block(values, l);
        }

        double[] column(int j, int l) {
            float[] values = new float[layout.dimension()];
            MemorySegment.copy(columns, ValueLayout.JAVA_FLOAT, 4L * j * values.length, values, 0, values.length);
            return block(values, l);
        }

        private double[] block(float[] values, int l) {
            double[] block = new double[layout.width(l)];
            for (int e = 0; e < block.length; e++) {
                block[e] = values[layout.offset(l) + e];
            }
            return block;
        }

        private ColumnVectors vectors(GradientKernels kernels, BlockRange range, int first, int count, Arena target) {
            ColumnVectors vectors = kernels.newVectors(range, type, count, target);
            BlockVector values = new BlockVector(layout.dimension(), target);
            for (int j = 0; j < count; j++) {
                for (int b = 0; b < range.blockCount(); b++) {
                    int l = range.firstBlock() + b;
                    values.load(columns, (long) (first + j) * layout.dimension() + layout.offset(l), layout.width(l));
                    vectors.set(j, b, 1, values);
                }
            }
            return vectors;
        }

        double[] dots(GradientKernels kernels, int firstRow, int rows, BlockRange range, int count) {
            return dots(kernels, firstRow, rows, range, 0, count);
        }

        double[] dots(GradientKernels kernels, int firstRow, int rows, BlockRange range, int firstColumn, int count) {
            double[] dots = new double[range.blockCount() * count * rows];
            try (Arena target = Arena.ofConfined()) {
                ColumnVectors vectors = vectors(kernels, range, firstColumn, count, target);
                kernels.dots(new GradientTile(matrix, firstRow, rows, range), vectors, dots);
            }
            return dots;
        }

        void checkDots(GradientKernels kernels, int firstRow, int rows, BlockRange range, int m) {
            double[] dots = dots(kernels, firstRow, rows, range, m);
            for (int b = 0; b < range.blockCount(); b++) {
                for (int j = 0; j < m; j++) {
                    double[] v = column(j, range.firstBlock() + b);
                    for (int k = 0; k < rows; k++) {
                        double[] g = row(firstRow + k, range.firstBlock() + b);
                        assertThat(dots[(b * m + j) * rows + k])
                                .describedAs("seed %d, width %d, m %d, column %d, row %d", SEED, v.length, m, j, k)
                                .isCloseTo(dot(v, g), within(kernels.relativeError() * norm(v) * norm(g)));
                    }
                }
            }
        }

        void checkAccumulate(GradientKernels kernels, int rows, BlockRange range, int m) {
            checkAccumulate(kernels, rows, range, m, 1);
        }

        void checkAccumulate(GradientKernels kernels, int rows, BlockRange range, int m, int sets) {
            try (Arena target = Arena.ofConfined()) {
                ColumnVectors vectors = vectors(kernels, range, 0, m, target);
                ColumnSums sums = kernels.newSums(range, type, sets * m, target);
                for (int row = 0; row < rows; row += TILE_ROWS) {
                    int count = Math.min(TILE_ROWS, rows - row);
                    double[] weights = new double[sets * range.blockCount() * count];
                    for (int at = 0; at < weights.length; at++) {
                        int b = at / count % range.blockCount();
                        weights[at] = weight(at / count / range.blockCount(), b, row + at % count);
                    }
                    kernels.accumulate(new GradientTile(matrix, row, count, range), vectors, weights, sums);
                }
                for (int b = 0; b < range.blockCount(); b++) {
                    for (int at = 0; at < sets * m; at++) {
                        checkSums(kernels, rows, range, b, at, m, sums, target);
                    }
                }
            }
        }

        private void checkSums(
                GradientKernels kernels,
                int rows,
                BlockRange range,
                int b,
                int at,
                int m,
                ColumnSums sums,
                Arena target) {
            int l = range.firstBlock() + b;
            double[] v = column(at % m, l);
            double[] expected = new double[v.length];
            double scale = 0;
            for (int k = 0; k < rows; k++) {
                double[] g = row(k, l);
                double coefficient = weight(at / m, b, k) * dot(v, g);
                for (int e = 0; e < g.length; e++) {
                    expected[e] += coefficient * g[e];
                }
                scale += weight(at / m, b, k) * norm(v) * dot(g, g);
            }
            BlockVector actual = new BlockVector(v.length, target);
            actual.clear(v.length);
            sums.addTo(at, b, actual);
            assertThat(actual.length()).isEqualTo(v.length);
            for (int e = 0; e < v.length; e++) {
                assertThat(actual.get(e))
                        .describedAs("seed %d, width %d, m %d, sum %d, element %d", SEED, v.length, m, at, e)
                        .isCloseTo(expected[e], within(kernels.relativeError() * scale));
            }
        }

        /** Some weights are 0: such rows must not count. */
        private static double weight(int set, int block, int row) {
            return (set + block + row) % 5 == 3 ? 0 : 0.25 * (1 + set + row % 3);
        }

        @Override
        public void close() {
            matrix.close();
            arena.close();
        }
    }
}
