package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.memory.ElementType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
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
        try (DeviceRowsFixture rows = new DeviceRowsFixture(type, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            assertThat(rows.error(kernels, 33, 2)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().hostPieceCount()).isZero();
            kernels.close();
        }
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertLeftNothing();
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"F32", "BF16"})
    void rows_areUploadedOnce_andNewOnesAppended(ElementType type) {
        try (DeviceRowsFixture rows = new DeviceRowsFixture(type, 40)) {
            CublasKernels kernels = open(ROW_BYTES);
            double ignored = rows.error(kernels, 3, 1);
            long uploaded = kernels.figures().uploadedBytes();
            ignored = rows.error(kernels, 3, 1);
            assertThat(kernels.figures().uploadedBytes()).isEqualTo(uploaded).isEqualTo(40 * rows.strideBytes());

            rows.append(7);
            assertThat(rows.error(kernels, 3, 1)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().uploadedBytes()).isEqualTo(47 * rows.strideBytes());
            kernels.close();
        }
    }

    @Test
    @Timeout(60)
    void newRows_areBroughtBeforeAnyoneAsks_andThoseOfAClosedMatrixGo() {
        SimulatedCuda.reset(DEVICE_BYTES, true);
        CublasKernels kernels = open(ROW_BYTES).followRows();
        try (DeviceRowsFixture rows = new DeviceRowsFixture(ElementType.F32, 500)) {
            double ignored = rows.error(kernels, 1, 1);
            rows.append(12);
            while (kernels.figures().uploadedBytes() < 512 * rows.strideBytes()) {
                Thread.onSpinWait();
            }
            assertThat(rows.error(kernels, 3, 1)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().uploadedBytes()).isEqualTo(512 * rows.strideBytes());
        }
        while (kernels.figures().rowBytes() > 0) {
            Thread.onSpinWait();
        }
        kernels.close();
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertLeftNothing();
    }

    @Test
    void rows_beyondTheBudget_areComputedByTheHost() {
        try (DeviceRowsFixture rows = new DeviceRowsFixture(ElementType.F32, 2000)) {
            CublasKernels kernels = open(1 << 10);
            assertThat(rows.error(kernels, 3, 2)).isLessThan(kernels.relativeError());
            assertThat(kernels.figures().hostPieceCount()).isPositive();
            assertThat(kernels.figures().rowBytes()).isZero();
            kernels.close();
        }
        assertThat(SimulatedCuda.broken()).isEmpty();
    }

    @Test
    void rows_ofManyRuns_makeRoomForEachOther() {
        try (DeviceRowsFixture first = new DeviceRowsFixture(ElementType.F32, 500);
                DeviceRowsFixture second = new DeviceRowsFixture(ElementType.F32, 500)) {
            long budget = 600 * first.strideBytes();
            CublasKernels kernels = open(budget);
            for (int i = 0; i < 2; i++) {
                assertThat(first.error(kernels, 2, 1)).isLessThan(kernels.relativeError());
                assertThat(second.error(kernels, 2, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().rowBytes()).isPositive().isLessThanOrEqualTo(budget);
            kernels.close();
        }
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertLeftNothing();
    }

    @Test
    void deviceWithoutMemory_shrinksGroups_andIsStillRight() {
        try (DeviceRowsFixture rows = new DeviceRowsFixture(ElementType.BF16, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            SimulatedCuda.call("sim_set_memory", SimulatedCuda.number("sim_device_bytes") + (1 << 20));
            for (int i = 0; i < 6; i++) {
                assertThat(rows.error(kernels, 32, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().errorCount()).isPositive();
            assertThat(kernels.figures().working()).isTrue();
            kernels.close();
        }
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertLeftNothing();
    }

    @Test
    void lastingFault_leavesTheRestToTheHost() {
        try (DeviceRowsFixture rows = new DeviceRowsFixture(ElementType.F32, 700)) {
            CublasKernels kernels = open(ROW_BYTES);
            SimulatedCuda.call("sim_fault_after_gemms", 3);
            for (int i = 0; i < 3; i++) {
                assertThat(rows.error(kernels, 3, 1)).isLessThan(kernels.relativeError());
            }
            assertThat(kernels.figures().working()).isFalse();
            assertThat(kernels.figures().lastError()).contains("cuda");
            kernels.close();
        }
    }

    @Test
    void olderGpu_leavesBfloat16ToTheHost() {
        SimulatedCuda.call("sim_set_capability", 7, 5);
        GradientKernels kernels = GradientKernels.open(SimulatedCuda.options(ROW_BYTES));
        long before = kernels.deviceFigures().orElseThrow().errorCount();
        for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
            try (DeviceRowsFixture rows = new DeviceRowsFixture(type, 300)) {
                assertThat(rows.error(kernels, 3, 1)).isLessThan(kernels.relativeError());
            }
        }
        assertThat(kernels.deviceFigures().orElseThrow().errorCount()).isEqualTo(before);
        kernels.close();
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertLeftNothing();
    }

    @ParameterizedTest
    @CsvSource({
        "sim_set_driver,0,there is none",
        "sim_set_driver,11040,this one is for CUDA 11.4",
        "sim_set_devices,0,the driver finds no device",
        "sim_set_memory,1000,needs more free memory of the GPU",
        "sim_fault_after_gemms,1,needs a GPU that computes"
    })
    void open_whatIsMissing_isNamed(String what, long value, String sentence) {
        boolean wide = what.equals("sim_set_memory");
        SimulatedCuda.call(what, wide ? (Object) value : (Object) (int) value);
        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> GradientKernels.open(SimulatedCuda.options(ROW_BYTES)))
                .withMessageContaining(sentence);
    }

    /**
     * Each call that opening, working and closing make fails once, one a run: the answer is right all the same or the engine does not open, no rule is broken, and nothing but what could
     * not be given back is left behind.
     */
    @ParameterizedTest
    @CsvSource({"F32," + OUT_OF_MEMORY, "F32," + INVALID_VALUE, "F32," + ILLEGAL_ADDRESS, "BF16," + ILLEGAL_ADDRESS})
    void everyCallThatFailsOnce_isHandled(ElementType type, int code) {
        try (DeviceRowsFixture rows = new DeviceRowsFixture(type, 40)) {
            work(rows);
            Map<String, Long> calls = new LinkedHashMap<>();
            for (int i = 0; i < SimulatedCuda.integer("sim_function_count"); i++) {
                String function = SimulatedCuda.text("sim_function_name", i);
                calls.put(function, SimulatedCuda.number("sim_calls", function));
            }
            assertThat(calls.values().stream().mapToLong(Long::longValue).sum()).isGreaterThan(100);
            calls.forEach((function, count) -> {
                for (int nth = 1; nth <= count; nth++) {
                    SimulatedCuda.reset(DEVICE_BYTES, true);
                    SimulatedCuda.call("sim_fail", function, nth, code);
                    work(rows);
                    String which = "call %d of %s fails with %d".formatted(nth, function, code);
                    assertThat(SimulatedCuda.broken()).describedAs(which).isEmpty();
                    boolean release = function.contains("Free") || function.contains("Destroy");
                    assertThat(SimulatedCuda.number("sim_leaks"))
                            .describedAs(which)
                            .isLessThanOrEqualTo(release ? 1 : 0);
                }
            });
        }
    }

    /** Opens, computes twice and closes. */
    private static void work(DeviceRowsFixture rows) {
        CublasKernels kernels;
        try {
            kernels = open(ROW_BYTES);
        } catch (CudaException | EngineUnavailableException e) {
            return;
        }
        for (int i = 0; i < 2; i++) {
            assertThat(rows.error(kernels, 3, 1)).isLessThan(kernels.relativeError());
        }
        kernels.close();
    }

    private static CublasKernels open(long rowBytes) {
        return CublasEngine.kernels(
                CudaLibraries.open(List.of(SimulatedCuda.FOLDER)), OptionalLong.of(rowBytes), STAGING_BYTES);
    }

    private static void assertLeftNothing() {
        assertThat(SimulatedCuda.number("sim_leaks"))
                .describedAs(() -> SimulatedCuda.text("sim_leak_text"))
                .isZero();
    }
}
