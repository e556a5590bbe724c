package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;

/** Random rows with NaN between them. */
final class DeviceRowsFixture implements AutoCloseable {

    private static final BlockLayout LAYOUT = BlockLayout.of(
            List.of(new Block("a", 4, 33), new Block("b", 4, 33), new Block("c", 7, 3), new Block("d", 4, 33)));

    private final Random random = new Random(7);
    private final GradientMatrix matrix;

    DeviceRowsFixture(ElementType type, int count) {
        matrix = new GradientMatrix(LAYOUT, type);
        append(count);
    }

    void append(int count) {
        float[] values = new float[LAYOUT.dimension()];
        for (int i = 0; i < count; i++) {
            for (int e = 0; e < values.length; e++) {
                values[e] = (float) random.nextGaussian();
            }
            long ordinal = matrix.rowCount();
            ElementConversion.convert(
                    MemorySegment.ofArray(values),
                    ElementType.F32,
                    matrix.nextRow(),
                    matrix.elementType(),
                    values.length);
            matrix.publishRow();
            matrix.rows(ordinal, 1).asSlice(matrix.rowBytes()).fill((byte) 0xff);
        }
    }

    long strideBytes() {
        return matrix.strideBytes();
    }

    /** Greatest error of products and sums with all rows, against the oracle, relative to the norms. */
    double error(GradientKernels kernels, int columns, int sets) {
        int count = (int) matrix.rowCount();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, (long) columns * LAYOUT.dimension());
            for (long i = 0; i < values.byteSize() / Float.BYTES; i++) {
                values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
            }
            double error = 0;
            for (BlockRange range : List.of(new BlockRange(LAYOUT, 0, 4), new BlockRange(LAYOUT, 1, 3))) {
                double[] actual = products(kernels, range, values, count, columns, sets, arena);
                double[] expected = products(GradientKernels.scalar(), range, values, count, columns, sets, arena);
                for (int i = 0; i < actual.length; i++) {
                    // Elements of size 1: the product of the norms is the width, at most.
                    error = Math.max(error, Math.abs(actual[i] - expected[i]) / LAYOUT.width(0));
                    assertThat(actual[i]).isFinite();
                }
            }
            return error;
        }
    }

    /** Products of all rows, then sums with weights of which each fifth is 0, divided by the number of rows. */
    private double[] products(
            GradientKernels kernels,
            BlockRange range,
            MemorySegment values,
            int count,
            int columns,
            int sets,
            Arena arena) {
        ColumnVectors vectors = kernels.newVectors(range, matrix.elementType(), columns, arena);
        ColumnSums sums = kernels.newSums(range, matrix.elementType(), columns * sets, arena);
        BlockVector block = new BlockVector(LAYOUT.dimension(), arena);
        for (int j = 0; j < columns; j++) {
            for (int b = 0; b < range.blockCount(); b++) {
                long first = (long) j * LAYOUT.dimension() + LAYOUT.offset(range.firstBlock() + b);
                block.load(values, first, range.width(b));
                vectors.set(j, b, 1, block);
            }
        }
        int pairs = range.blockCount() * columns;
        double[] found = new double[pairs * count + columns * sets * range.elementCount()];
        for (int first = 0; first < count; first += kernels.tileRows()) {
            int rows = Math.min(kernels.tileRows(), count - first);
            GradientTile tile = new GradientTile(matrix, first, rows, range);
            double[] dots = new double[pairs * rows];
            kernels.dots(tile, vectors, dots);
            for (int i = 0; i < pairs; i++) {
                System.arraycopy(dots, i * rows, found, i * count + first, rows);
            }
            double[] weights = new double[sets * range.blockCount() * rows];
            for (int i = 0; i < weights.length; i++) {
                int row = first + i % rows;
                weights[i] = row % 5 == 0 ? 0 : (1 + i / rows) * 0.1 / count;
            }
            kernels.accumulate(tile, vectors, weights, sums);
        }
        int at = pairs * count;
        for (int j = 0; j < columns * sets; j++) {
            for (int b = 0; b < range.blockCount(); b++) {
                block.clear(range.width(b));
                sums.addTo(j, b, block);
                for (int i = 0; i < block.length(); i++) {
                    found[at++] = block.get(i);
                }
            }
        }
        return found;
    }

    @Override
    public void close() {
        matrix.close();
    }
}
