package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class EngineChoiceTest {

    @Test
    void kinds_haveTheNamesOfTheCommandLine() {
        assertThat(Arrays.stream(EngineKind.values()).map(EngineKind::toString))
                .containsExactly("auto", "vector", "nd4j", "nd4j-cuda", "cublas");
    }

    @Test
    void open_auto_isVector() {
        assertThat(EngineChoice.open(EngineOptions.DEFAULT, true).name()).isEqualTo("vector");
    }

    @Test
    void open_autoWithoutTheVectorApi_isNd4j() {
        assumeThat(Nd4jTestEngine.isCudaBuild()).isFalse();

        assertThat(EngineChoice.open(EngineOptions.DEFAULT, false).name()).isEqualTo("nd4j");
    }

    @Test
    void open_vectorWithoutTheVectorApi_saysHowToStartJava() {
        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> EngineChoice.open(EngineOptions.of(EngineKind.VECTOR), false))
                .withMessage(
                        "engine vector needs the module jdk.incubator.vector: start java with --add-modules jdk.incubator.vector");
    }

    @Test
    void open_cudaInADefaultBuild_saysHowToBuild() {
        assumeThat(Nd4jTestEngine.isCudaBuild()).isFalse();

        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> GradientKernels.open(EngineOptions.of(EngineKind.ND4J_CUDA)))
                .withMessage(
                        "engine nd4j-cuda needs a build with the profile cuda (mvn -Pcuda): this one has no CUDA backend");
    }

    @Test
    void open_nd4jInACudaBuild_saysHowToBuild() {
        assumeThat(Nd4jTestEngine.isCudaBuild()).isTrue();

        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> GradientKernels.open(EngineOptions.of(EngineKind.ND4J)))
                .withMessageContaining("without the profile cuda");
    }

    @Test
    void options_negativeDeviceMemory_isNamed() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new EngineOptions(EngineKind.ND4J_CUDA, OptionalLong.of(-1), List.of()))
                .withMessage("device-memory is -1 bytes: expected at least 0");
    }

    @Test
    void driver_missing_isNamed() {
        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> CudaDriver.query("libdatainf-none.so.1"))
                .withMessage("engine nd4j-cuda needs NVIDIA's driver: its library libdatainf-none.so.1 is not found");
    }

    @Test
    void driver_thatIsAnotherLibrary_isNamed() {
        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> CudaDriver.query("libc.so.6"))
                .withMessageEndingWith("has no cuInit");
    }

    @ParameterizedTest
    @CsvSource({"3, 7", "5, 0", "7, 0", "7, 5", "8, 0", "8, 6", "8, 9"})
    void driver_withAGpuThatNd4jIsBuiltFor_isSupported(int major, int minor) {
        new CudaDriver(major, minor, 1).requireSupported();
    }

    @ParameterizedTest
    @CsvSource({"3, 5", "9, 0", "10, 0", "12, 0"})
    void driver_withAnotherGpu_namesItsComputeCapability(int major, int minor) {
        assertThatExceptionOfType(EngineUnavailableException.class)
                .isThrownBy(() -> new CudaDriver(major, minor, 1).requireSupported())
                .withMessageStartingWith("engine nd4j-cuda needs a GPU of compute capability 3.7 to 8.6 or 8.9")
                .withMessageEndingWith(": this one has %d.%d", major, minor);
    }

    @Test
    void reason_ofAMissingLibrary_isItsName() {
        Throwable missing = new UnsatisfiedLinkError(
                "/cache/libjnicudart.so: libcudart.so.11.0: cannot open shared object file: No such file");

        assertThat(NativeLibraries.reason(new ExceptionInInitializerError(missing)))
                .isEqualTo("libcudart.so.11.0 is not found");
    }

    @Test
    void reason_ofAnotherFailure_isItsFirstLine() {
        assertThat(NativeLibraries.reason(
                        new IllegalStateException("outer", new IllegalArgumentException("inner\nmore"))))
                .isEqualTo("IllegalArgumentException: inner");
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"F32", "BF16"})
    void selfCheck_ofTheOracle_findsNoError(ElementType type) {
        assertThat(KernelSelfCheck.greatestError(GradientKernels.scalar(), type))
                .isZero();
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"F32", "BF16"})
    void selfCheck_ofVector_findsRoundingOnly(ElementType type) {
        GradientKernels kernels = GradientKernels.vector();

        assertThat(KernelSelfCheck.greatestError(kernels, type)).isPositive().isLessThan(kernels.relativeError());
    }
}
