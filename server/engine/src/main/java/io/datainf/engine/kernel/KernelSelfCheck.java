package io.datainf.engine.kernel;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Compares kernels that rely on foreign libraries and devices with the oracle before they are used. */
final class KernelSelfCheck {

    private static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("wide", 1, 4099), new Block("narrow", 1, 61)));
    private static final int ROWS = OffHeapRows.TILE_ROWS;
    private static final int COLUMNS = 9;

    private KernelSelfCheck() {}

    /** Greatest error of an inner product or of an element of a weighted sum, relative to the norms of what went into it. */
    static double greatestError(GradientKernels kernels, ElementType elementType) {
        BlockRange blocks = new BlockRange(LAYOUT, 0, LAYOUT.blockCount());
        try (GradientMatrix matrix = new GradientMatrix(LAYOUT, elementType);
                Arena arena = Arena.ofConfined()) {
            SplittableRandom random = new SplittableRandom(1);
            MemorySegment columns = arena.allocate(ValueLayout.JAVA_FLOAT, (long) COLUMNS * LAYOUT.dimension());
            for (int i = 0; i < ROWS; i++) {
                fill(columns, random);
                ElementConversion.convert(columns, ElementType.F32, matrix.nextRow(), elementType, LAYOUT.dimension());
                matrix.publishRow();
            }
            fill(columns, random);
            GradientTile tile = new GradientTile(matrix, 0, ROWS, blocks);
            double[] actual = dots(kernels, tile, columns, arena);
            double[] expected = dots(ScalarKernels.INSTANCE, tile, columns, arena);
            double error = greatestError(actual, expected, COLUMNS * ROWS);
            double[] sums = sums(kernels, tile, columns, arena);
            double[] expectedSums = sums(ScalarKernels.INSTANCE, tile, columns, arena);
            int start = 0;
            for (int b = 0; b < LAYOUT.blockCount(); b++) {
                int end = start + COLUMNS * LAYOUT.width(b);
                double[] ofBlock = Arrays.copyOfRange(sums, start, end);
                // Weights are 1 / ROWS, elements at most 1: an element of a sum is at most |v| |g|.
                error = Math.max(error, greatest(ofBlock, Arrays.copyOfRange(expectedSums, start, end)) / scale(b));
                start = end;
            }
            return error;
        }
    }

    private static double greatestError(double[] actual, double[] expected, int perBlock) {
        double error = 0;
        for (int b = 0; b < LAYOUT.blockCount(); b++) {
            double[] ofBlock = Arrays.copyOfRange(actual, b * perBlock, (b + 1) * perBlock);
            error = Math.max(
                    error,
                    greatest(ofBlock, Arrays.copyOfRange(expected, b * perBlock, (b + 1) * perBlock)) / scale(b));
        }
        return error;
    }

    /** Product of the norms of a row and a column: elements of size 1 at most, the square a third of that on average. */
    private static double scale(int block) {
        return LAYOUT.width(block) / 3.0;
    }

    /** Greatest difference; NaN if one is not a number. */
    private static double greatest(double[] actual, double[] expected) {
        double greatest = 0;
        for (int at = 0; at < actual.length; at++) {
            greatest = Math.max(greatest, Math.abs(actual[at] - expected[at]));
        }
        return greatest;
    }

    /** Sums of the rows, weighted by 1 / ROWS and their products, block by block. */
    private static double[] sums(GradientKernels kernels, GradientTile tile, MemorySegment columns, Arena arena) {
        ColumnSums sums = kernels.newSums(tile.blocks(), tile.elementType(), COLUMNS, arena);
        double[] weights = new double[LAYOUT.blockCount() * ROWS];
        Arrays.fill(weights, 1.0 / ROWS);
        kernels.accumulate(tile, vectors(kernels, tile, columns, arena), weights, sums);
        BlockVector block = new BlockVector(LAYOUT.dimension(), arena);
        double[] all = new double[COLUMNS * LAYOUT.dimension()];
        int at = 0;
        for (int b = 0; b < LAYOUT.blockCount(); b++) {
            for (int j = 0; j < COLUMNS; j++) {
                block.clear(LAYOUT.width(b));
                sums.addTo(j, b, block);
                for (int i = 0; i < block.length(); i++) {
                    all[at++] = block.get(i);
                }
            }
        }
        return all;
    }

    private static double[] dots(GradientKernels kernels, GradientTile tile, MemorySegment columns, Arena arena) {
        double[] dots = new double[LAYOUT.blockCount() * COLUMNS * ROWS];
        kernels.dots(tile, vectors(kernels, tile, columns, arena), dots);
        return dots;
    }

    private static ColumnVectors vectors(
            GradientKernels kernels, GradientTile tile, MemorySegment columns, Arena arena) {
        ColumnVectors vectors = kernels.newVectors(tile.blocks(), tile.elementType(), COLUMNS, arena);
        BlockVector values = new BlockVector(LAYOUT.dimension(), arena);
        for (int j = 0; j < COLUMNS; j++) {
            for (int b = 0; b < LAYOUT.blockCount(); b++) {
                values.load(columns, (long) j * LAYOUT.dimension() + LAYOUT.offset(b), LAYOUT.width(b));
                vectors.set(j, b, 1, values);
            }
        }
        return vectors;
    }

    private static void fill(MemorySegment values, SplittableRandom random) {
        for (long i = 0; i < values.byteSize() / Float.BYTES; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble(-1, 1));
        }
    }
}
