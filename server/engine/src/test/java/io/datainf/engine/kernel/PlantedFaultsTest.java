package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/**
 * The tests of the engine on the simulated device are tested: each fault of planted-faults.csv, made in what the engine asks of CUDA, must show, by a wrong answer, a broken rule, something left behind, or
 * work that the host had to do.
 */
class PlantedFaultsTest {

    private static final long DEVICE_BYTES = 256L << 20;
    // The rows make two blocks.
    private static final long ROW_BYTES = 16L << 20;
    private static final int STAGING_BYTES = 4096;

    @Test
    void withoutAFault_nothingShows() {
        assumeThat(SimulatedCuda.present()).isTrue();
        for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
            assertThat(shows(type, new CudaFunctions(library()))).isEmpty();
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvFileSource(resources = "planted-faults.csv", numLinesToSkip = 1)
    void fault_shows(String what, String function, String kind, int argument, String value) {
        assumeThat(SimulatedCuda.present()).isTrue();
        String shown = shows(ElementType.F32, new Faulty(function, kind, argument, value));
        if (shown.isEmpty()) {
            shown = shows(ElementType.BF16, new Faulty(function, kind, argument, value));
        }
        assertThat(shown).describedAs(what).isNotEmpty();
    }

    /** What is seen of a fault; empty if nothing. */
    private static String shows(ElementType type, CudaFunctions functions) {
        SimulatedCuda.reset(DEVICE_BYTES, true);
        functions.bindCublas(library());
        try (DeviceRowsFixture rows = new DeviceRowsFixture(type, 600)) {
            CudaDevice device = new CudaDevice(functions);
            CublasKernels kernels =
                    new CublasKernels(device, new CublasRows(device, ROW_BYTES, STAGING_BYTES), EngineChoice.onCpu());
            for (int i = 0; i < 2; i++) {
                rows.append(20);
                double error = rows.error(kernels, 3, 2);
                if (!(error <= kernels.relativeError())) {
                    return "wrong by " + error;
                }
            }
            if (kernels.figures().hostPieceCount() > 0) {
                return "left to the host: " + kernels.figures().lastError();
            }
            kernels.close();
        } catch (CudaException | AssertionError e) {
            return String.valueOf(e.getMessage());
        }
        List<String> violations = SimulatedCuda.broken();
        if (!violations.isEmpty()) {
            return violations.getFirst();
        }
        long left = SimulatedCuda.number("sim_leaks");
        return left == 0 ? "" : left + " things left behind";
    }

    @SuppressWarnings("restricted") // opens a library
    private static SymbolLookup library() {
        return SymbolLookup.libraryLookup(
                SimulatedCuda.FOLDER.resolve("libcudart.so.12").toAbsolutePath(), Arena.global());
    }

    /** Functions of which one is called wrongly each time. */
    private static final class Faulty extends CudaFunctions {

        private final String function;
        private final String kind;
        private final int argument;
        private final String value;

        Faulty(String function, String kind, int argument, String value) {
            super(library());
            this.function = function;
            this.kind = kind;
            this.argument = argument;
            this.value = value;
        }

        @Override
        int call(String called, Object... arguments) {
            if (!called.equals(function)) {
                return super.call(called, arguments);
            }
            if (kind.equals("drop")) {
                return 0;
            }
            Object[] changed = arguments.clone();
            changed[argument] = switch (kind) {
                case "add" -> added(changed[argument]);
                case "set" -> changed[argument] instanceof Long ? Long.valueOf(value) : (Object) Integer.valueOf(value);
                case "copy" -> changed[Integer.parseInt(value)];
                default -> throw new AssertionError("kind is %s: expected drop, add, set or copy".formatted(kind));
            };
            return super.call(called, changed);
        }

        private Object added(Object number) {
            return number instanceof Long whole
                    ? whole + Long.parseLong(value)
                    : (Object) Math.max(0, (int) number + Integer.parseInt(value));
        }
    }
}
