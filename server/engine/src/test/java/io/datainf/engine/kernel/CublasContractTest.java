package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.provider.Arguments;

/** The contract on the simulated device, whose streams work lazily and eagerly. */
@EnabledIf("present")
class CublasContractTest extends GradientKernelsContractTest {

    private static GradientKernels cublas = GradientKernels.scalar();

    static boolean present() {
        return SimulatedCuda.present();
    }

    @BeforeAll
    static void open() {
        SimulatedCuda.reset(1L << 30, true);
        cublas = GradientKernels.open(SimulatedCuda.options(1 << 28));
    }

    @AfterAll
    static void close_afterTheDeviceDidAllOfTheWork_byTheRules() {
        long onTheHost = cublas.deviceFigures().orElseThrow().hostPieceCount();
        cublas.close();
        assertThat(onTheHost).isZero();
        assertThat(SimulatedCuda.number("sim_calls", "cublasGemmStridedBatchedEx"))
                .isPositive();
        assertThat(SimulatedCuda.broken()).isEmpty();
        assertThat(SimulatedCuda.number("sim_leaks")).isZero();
    }

    static List<Arguments> kernelsAndTypes() {
        return withTypes(List.of(SimulatedCuda.inMode(cublas, true), SimulatedCuda.inMode(cublas, false)));
    }
}
