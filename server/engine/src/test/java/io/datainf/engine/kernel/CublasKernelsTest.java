package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Residence, failures and what is left behind, on the simulated device. */
class CublasKernelsTest {

    private static final long DEVICE_BYTES = 256L << 20;
    private static final long ROW_BYTES = 64L << 20;
    private static final int STAGING_BYTES = 4096;
    private static final int OUT_OF_MEMORY = 2;
    private static final int INVALID_VALUE = 1;
    private static final int ILLEGAL_ADDRESS = 700;

    @BeforeEach
    void reset() {
        assumeThat(SimulatedCuda.present()).isTrue();
        SimulatedCuda.reset(DEVICE_BYTES, true);
    }

    @ParameterizedTest
    @CsvSource({"F32,true", "F32,false", "BF16,true", "BF16,false"})
    void work_leavesNothingAndBreaksNoRule(ElementType type, boolean lazy) {
        SimulatedCuda.reset(DEVICE_BYTES, lazy);
        try (Rows rows = new Rows(type, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            assertThat(rows.error(kernels, 700, 33, 2)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().hostPieceCount()).isZero();
            kernels.close();
        }
        assertThat(SimulatedCuda.violations()).isEmpty();
        assertLeftNothing();
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"F32", "BF16"})
    void rows_areUploadedOnce_andNewOnesAppended(ElementType type) {
        try (Rows rows = new Rows(type, 40)) {
            CublasKernels kernels = open(ROW_BYTES);
            double ignored = rows.error(kernels, 40, 3, 1);
            long uploaded = kernels.figures().uploadedBytes();
            ignored = rows.error(kernels, 40, 3, 1);
            assertThat(kernels.figures().uploadedBytes()).isEqualTo(uploaded).isEqualTo(40 * rows.matrix.strideBytes());

            rows.append(7);
            assertThat(rows.error(kernels, 47, 3, 1)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().uploadedBytes()).isEqualTo(47 * rows.matrix.strideBytes());
            kernels.close();
        }
    }

    @Test
    void rows_beyondTheBudget_areComputedByTheHost() {
        try (Rows rows = new Rows(ElementType.F32, 2000)) {
            CublasKernels kernels = open(1 << 10);
            assertThat(rows.error(kernels, 2000, 3, 2)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().hostPieceCount()).isPositive();
            assertThat(kernels.figures().rowBytes()).isZero();
            kernels.close();
        }
        assertThat(SimulatedCuda.violations()).isEmpty();
    }

    @Test
    void rows_ofManyRuns_makeRoomForEachOther() {
        try (Rows first = new Rows(ElementType.F32, 500);
                Rows second = new Rows(ElementType.F32, 500)) {
            long budget = 600 * first.matrix.strideBytes();
            CublasKernels kernels = open(budget);
            for (int i = 0; i < 2; i++) {
                assertThat(first.error(kernels, 500, 2, 1)).isLessThan(kernels.relativeError());
                assertThat(second.error(kernels, 500, 2, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().rowBytes()).isPositive().isLessThanOrEqualTo(budget);
            kernels.close();
        }
        assertThat(SimulatedCuda.violations()).isEmpty();
        assertLeftNothing();
    }

    @Test
    void deviceWithoutMemory_shrinksGroups_andIsStillRight() {
        try (Rows rows = new Rows(ElementType.BF16, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            SimulatedCuda.call("sim_set_memory", SimulatedCuda.number("sim_device_bytes") + (1 << 20));
            for (int i = 0; i < 6; i++) {
                assertThat(rows.error(kernels, 700, 32, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().errorCount()).isPositive();
            assertThat(kernels.figures().working()).isTrue();
            kernels.close();
        }
        assertThat(SimulatedCuda.violations()).isEmpty();
        assertLeftNothing();
    }

    @Test
    void lastingFault_leavesTheRestToTheHost() {
        try (Rows rows = new Rows(ElementType.F32, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            SimulatedCuda.call("sim_fault_after_gemms", 3);
            for (int i = 0; i < 3; i++) {
                assertThat(rows.error(kernels, 700, 3, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().working()).isFalse();
            assertThat(kernels.figures().lastError()).contains("cuda");
            kernels.close();
        }
    }

    /** Each function fails once, at each of its first calls: the answer is right all the same, or the engine does not open. */
    @ParameterizedTest
    @CsvSource({"F32," + OUT_OF_MEMORY, "F32," + INVALID_VALUE, "F32," + ILLEGAL_ADDRESS, "BF16," + ILLEGAL_ADDRESS})
    void everyCallThatFailsOnce_isHandled(ElementType type, int code) {
        List<String> functions = new ArrayList<>();
        for (int i = 0; i < SimulatedCuda.integer("sim_function_count"); i++) {
            functions.add(SimulatedCuda.text("sim_function_name", i));
        }
        int handled = 0;
        try (Rows rows = new Rows(type, 300)) {
            for (String function : functions) {
                for (int nth : new int[] {1, 2, 5}) {
                    SimulatedCuda.reset(DEVICE_BYTES, true);
                    CublasKernels kernels = open(ROW_BYTES);
                    long before = SimulatedCuda.number("sim_calls", function);
                    SimulatedCuda.call("sim_fail", function, nth, code);
                    for (int i = 0; i < 2; i++) {
                        assertThat(rows.error(kernels, 300, 3, 1))
                                .describedAs("%s fails at call %d with %d", function, nth, code)
                                .isLessThan(kernels.relativeError());
                    }
                    handled += SimulatedCuda.number("sim_calls", function) - before >= nth ? 1 : 0;
                    kernels.close();
                    assertThat(SimulatedCuda.violations()).describedAs(function).isEmpty();
                }
            }
        }
        assertThat(handled).isGreaterThan(10);
    }

    private static CublasKernels open(long rowBytes) {
        CudaDevice device = new CudaDevice(CudaLibraries.open(List.of(SimulatedCuda.FOLDER)));
        return new CublasKernels(device, new CublasRows(device, rowBytes, STAGING_BYTES), EngineChoice.onCpu());
    }

    private static void assertLeftNothing() {
        assertThat(SimulatedCuda.number("sim_leaks"))
                .describedAs(() -> SimulatedCuda.text("sim_leak_text"))
                .isZero();
    }

    /** Random rows with NaN between them. */
    private static final class Rows implements AutoCloseable {

        private static final BlockLayout LAYOUT = BlockLayout.of(
                List.of(new Block("a", 4, 33), new Block("b", 4, 33), new Block("c", 7, 3), new Block("d", 4, 33)));

        private final Random random = new Random(7);
        private final GradientMatrix matrix;

        Rows(ElementType type, int count) {
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

        /** Greatest error of products and sums with all rows, against the oracle, relative to the norms. */
        double error(GradientKernels kernels, int count, int columns, int sets) {
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
}
