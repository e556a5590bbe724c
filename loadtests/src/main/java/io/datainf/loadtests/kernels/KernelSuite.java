package io.datainf.loadtests.kernels;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The suite "kernels"; {@code loadtests/run kernels} starts it. */
public final class KernelSuite {

    private KernelSuite() {}

    /**
     * Runs the suite.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        boolean quick = SuiteArguments.quick(arguments);
        int threadCount = Runtime.getRuntime().availableProcessors();
        List<Figure> figures = new ArrayList<>();
        try (InfluenceCalculator vector = open(threadCount, EngineKind.VECTOR);
                InfluenceCalculator nd4j = open(threadCount, EngineKind.ND4J);
                MemoryReading reading = new MemoryReading(threadCount)) {
            LayoutFigures.Engines engines = new LayoutFigures.Engines(vector, nd4j, reading);
            Optional<Peers> peers = Peers.start(threadCount);
            if (peers.isEmpty()) {
                System.err.println("loadtests: no Python with numpy, torch and faiss: no comparison with them");
            }
            for (Workload workload : List.of(Workload.robertaLargeR4(quick), Workload.wideBlocks(quick))) {
                try (LayoutFigures layout = new LayoutFigures(workload, engines, peers)) {
                    for (int m : new int[] {1, 8, 32}) {
                        System.err.printf("loadtests: %s, %d queries at once%n", workload.name(), m);
                        layout.measure(m, quick ? 3 : rounds(m));
                    }
                    figures.addAll(layout.figures());
                }
            }
            if (peers.isPresent()) {
                peers.get().close();
            }
        }
        System.err.println("loadtests: loops in several JVMs");
        figures.addAll(InliningFigure.measure(quick));
        SuiteReport.of("kernels", figures).publish();
    }

    private static int rounds(int m) {
        return m == 1 ? 15 : m == 8 ? 9 : 5;
    }

    private static InfluenceCalculator open(int threadCount, EngineKind kind) {
        InfluenceCalculator calculator = InfluenceCalculator.create(threadCount, EngineOptions.of(kind));
        calculator.warmUp(WorkMonitor.of(() -> false));
        return calculator;
    }
}
