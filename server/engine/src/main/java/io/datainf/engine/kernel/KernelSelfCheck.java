package io.datainf.engine.kernel;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;

/** Compares kernels that rely on foreign libraries and devices with the oracle before they are used. */
final class KernelSelfCheck {

    private static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("wide", 1, 4099), new Block("narrow", 1, 61)));
    private static final int ROWS = OffHeapRows.TILE_ROWS;
    private static final int COLUMNS = 9;

    private KernelSelfCheck() {}

    /** Greatest error of an inner product, relative to the product of the norms of its operands. */
    static double greatestError(GradientKernels kernels) {
        BlockRange blocks = new BlockRange(LAYOUT, 0, LAYOUT.blockCount());
        try (GradientMatrix matrix = new GradientMatrix(LAYOUT, ElementType.F32);
                Arena arena = Arena.ofConfined()) {
            SplittableRandom random = new SplittableRandom(1);
            for (int i = 0; i < ROWS; i++) {
                fill(matrix.nextRow(), random);
                matrix.publishRow();
            }
            MemorySegment columns = arena.allocate(ValueLayout.JAVA_FLOAT, (long) COLUMNS * LAYOUT.dimension());
            fill(columns, random);
            GradientTile tile = new GradientTile(matrix, 0, ROWS, blocks);
            double[] actual = dots(kernels, tile, columns, arena);
            double[] expected = dots(ScalarKernels.INSTANCE, tile, columns, arena);
            double error = 0;
            for (int at = 0; at < actual.length; at++) {
                // Elements of size 1 at most, a third of that on average, so this is the product of the norms.
                double scale = LAYOUT.width(at / (COLUMNS * ROWS)) / 3.0;
                error = Math.max(error, Math.abs(actual[at] - expected[at]) / scale);
            }
            return error;
        }
    }

    private static double[] dots(GradientKernels kernels, GradientTile tile, MemorySegment columns, Arena arena) {
        ColumnVectors vectors = kernels.newVectors(tile.blocks(), tile.elementType(), COLUMNS, arena);
        BlockVector values = new BlockVector(LAYOUT.dimension(), arena);
        for (int j = 0; j < COLUMNS; j++) {
            for (int b = 0; b < LAYOUT.blockCount(); b++) {
                values.load(columns, (long) j * LAYOUT.dimension() + LAYOUT.offset(b), LAYOUT.width(b));
                vectors.set(j, b, 1, values);
            }
        }
        double[] dots = new double[LAYOUT.blockCount() * COLUMNS * ROWS];
        kernels.dots(tile, vectors, dots);
        return dots;
    }

    private static void fill(MemorySegment values, SplittableRandom random) {
        for (long i = 0; i < values.byteSize() / Float.BYTES; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble(-1, 1));
        }
    }
}
