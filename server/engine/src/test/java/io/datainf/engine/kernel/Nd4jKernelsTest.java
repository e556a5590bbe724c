package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** ND4J keeps the contract, with rows where they lie and with rows copied as to a device. */
class Nd4jKernelsTest extends GradientKernelsContractTest {

    private static final long BUDGET_BYTES = 64 << 10; // too little for most tiles of the contract

    static List<Arguments> kernelsAndTypes() {
        List<Arguments> arguments = new ArrayList<>();
        GradientKernels copying = new Nd4jKernels("copying", new Nd4jDeviceRows(BUDGET_BYTES));
        for (GradientKernels kernels : List.of(Nd4jTestEngine.open(), copying)) {
            for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
                arguments.add(Arguments.of(kernels.name(), kernels, type));
            }
        }
        return arguments;
    }

    // The worst case for sums in float32: all terms have one sign, so that partial sums are as large as can be.
    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("kernelsAndTypes")
    void dots_ofWideRowsWithThemselves_areSquaredNorms(String name, GradientKernels kernels, ElementType type) {
        int width = 40_960;
        BlockRange blocks = new BlockRange(Nd4jRowsFixture.layout(width), 0, 1);
        try (GradientMatrix matrix = new GradientMatrix(blocks.layout(), type);
                Arena arena = Arena.ofConfined()) {
            Random random = new Random(1);
            float[] values = new float[width];
            for (int i = 0; i < width; i++) {
                values[i] = (float) Math.abs(random.nextGaussian());
            }
            MemorySegment row = matrix.nextRow();
            ElementConversion.convert(MemorySegment.ofArray(values), ElementType.F32, row, type, width);
            matrix.publishRow();
            ElementConversion.toFloats(row, type, values, 0, width);
            double[] q = new double[1];
            kernels.squaredNorms(row, blocks, type, q);
            BlockVector v = new BlockVector(width, arena);
            v.load(MemorySegment.ofArray(values), 0, width);
            ColumnVectors vectors = kernels.newVectors(blocks, type, 1, arena);
            vectors.set(0, 0, 1, v);

            double[] dots = new double[1];
            kernels.dots(new GradientTile(matrix, 0, 1, blocks), vectors, dots);

            assertThat(Math.abs(dots[0] - q[0])).isLessThanOrEqualTo(kernels.relativeError() * q[0]);
        }
    }
}
