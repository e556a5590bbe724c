package io.datainf.loadtests.kernels;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.kernel.DeviceFigures;
import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.kernel.EngineUnavailableException;
import io.datainf.engine.memory.ElementType;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** The suite "gpu": the engine cublas on the GPU that is here; {@code loadtests/run gpu} starts it. */
public final class GpuSuite {

    private static final InfluenceMethod PASSES = new InfluenceMethod.DataInf();
    private static final long COPY_BYTES = 1L << 30;
    private static final long QUICK_COPY_BYTES = 16L << 20;
    // The rows are read for the products, for the sums and for the scores.
    private static final int READINGS = 3;
    private static final double MOST_READINGS = 1.5;
    private static final double MOST_ERROR = 1e-5;

    private final InfluenceCalculator gpu;
    private final InfluenceCalculator cpu;
    private final boolean quick;
    private final double copyRate;
    private final List<Figure> figures = new ArrayList<>();

    private GpuSuite(InfluenceCalculator gpu, InfluenceCalculator cpu, boolean quick) {
        this.gpu = gpu;
        this.cpu = cpu;
        this.quick = quick;
        this.copyRate =
                gpu.measureDeviceCopy(quick ? QUICK_COPY_BYTES : COPY_BYTES).orElseThrow();
    }

    /**
     * Runs the suite.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        boolean quick = SuiteArguments.quick(arguments);
        List<Path> libraries = Stream.of(
                        System.getProperty("datainf.cuda.libs", "").split(":", -1))
                .filter(folder -> !folder.isEmpty())
                .map(Path::of)
                .toList();
        int threadCount = Runtime.getRuntime().availableProcessors();
        EngineOptions options = new EngineOptions(EngineKind.CUBLAS, OptionalLong.empty(), libraries);
        // Opening it compares products of each type with the oracle.
        try (InfluenceCalculator gpu = InfluenceCalculator.create(threadCount, options);
                InfluenceCalculator cpu =
                        InfluenceCalculator.create(threadCount, EngineOptions.of(EngineKind.VECTOR))) {
            SuiteReport.of("gpu", new GpuSuite(gpu, cpu, quick).measure()).publish();
        } catch (EngineUnavailableException e) {
            System.err.println("loadtests: " + e.getMessage());
            System.exit(1);
        }
    }

    private List<Figure> measure() {
        figures.add(Figure.reported("memory of the GPU", device().totalBytes() / 1e9, "GB"));
        figures.add(Figure.reported("copy within the GPU, read and written", copyRate / 1e9, "GB/s"));
        for (Workload workload : List.of(Workload.robertaLargeR4(quick), Workload.wideBlocks(quick))) {
            for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
                try (StoredGradients gradients = new StoredGradients(workload.layout(), type, workload.sampleCount())) {
                    measure(workload, type, gradients);
                }
            }
        }
        figures.add(Figure.atMost("pieces that the CPU computed", (double) device().hostPieceCount(), "", 0));
        return figures;
    }

    private DeviceFigures device() {
        return gpu.deviceFigures().orElseThrow();
    }

    private void measure(Workload workload, ElementType type, StoredGradients gradients) {
        String name = "%s %s: ".formatted(workload.name(), type);
        System.err.println("loadtests: " + name.strip());
        long before = device().uploadedBytes();
        double first = millis(() -> gradients.score(gpu, PASSES, 1));
        double uploaded = device().uploadedBytes() - before;
        figures.add(Figure.reported(name + "first query, which uploads", first, "ms"));
        figures.add(Figure.reported(name + "upload rate within it", uploaded / first / 1e6, "GB/s"));
        double bytes = workload.elementCount() * type.byteCount();
        for (int m : quick ? new int[] {1, 8} : new int[] {1, 8, 32}) {
            List<Double> times = new ArrayList<>();
            for (int round = 0; round < (quick ? 3 : 11); round++) {
                times.add(millis(() -> gradients.score(gpu, PASSES, m)));
            }
            double median = Measured.median(times);
            figures.add(Figure.reported(name + "m = %d, both passes".formatted(m), median, "ms"));
            figures.add(Figure.atMost(
                    name + "m = %d, both passes / three readings at the copy rate".formatted(m),
                    median / (READINGS * bytes / copyRate * 1e3),
                    "x",
                    MOST_READINGS));
        }
        figures.add(Figure.atMost(name + "scores, against the engine vector", error(gradients), "x", MOST_ERROR));
        append(name, gradients, workload.sampleCount() / 16);
    }

    /** How much longer a query takes for which rows have to be brought. */
    private void append(String name, StoredGradients gradients, int rows) {
        gradients.append(rows);
        double before = millis(() -> gradients.score(gpu, PASSES, 1));
        double after = millis(() -> gradients.score(gpu, PASSES, 1));
        figures.add(Figure.reported(name + "query after %d new rows / without".formatted(rows), before / after, "x"));
    }

    /** Greatest difference of a score, relative to the greatest score. */
    private double error(StoredGradients gradients) {
        try (InfluenceScores actual = gradients.compute(gpu, PASSES, 1);
                InfluenceScores expected = gradients.compute(cpu, PASSES, 1)) {
            double difference = 0;
            double greatest = 0;
            for (int k = 0; k < gradients.matrix().rowCount(); k++) {
                difference = Math.max(difference, Math.abs(actual.score(0, k) - expected.score(0, k)));
                greatest = Math.max(greatest, Math.abs(expected.score(0, k)));
            }
            return difference / greatest;
        }
    }

    private static double millis(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e6;
    }
}
