package io.datainf.engine.influence;

import io.datainf.engine.influence.MethodComparison.Agreement;
import io.datainf.engine.influence.MethodComparison.GradientNormSummary;
import io.datainf.engine.influence.MethodComparison.MethodFigures;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Runs methods one after the other on the same points and compares their scores with those of EXACT. */
final class MethodComparer {

    private final InfluenceCalculator calculator;
    private final InfluenceRequest request;
    private final List<InfluenceMethod> methods;
    private final WorkMonitor monitor;
    private final int[] live;

    MethodComparer(
            InfluenceCalculator calculator,
            InfluenceRequest request,
            List<InfluenceMethod> methods,
            WorkMonitor monitor) {
        if (!(request.method() instanceof InfluenceMethod.Exact)) {
            throw new IllegalArgumentException("method is %s: expected Exact".formatted(request.method()));
        }
        if (request.dampings().size() != 1) {
            throw new IllegalArgumentException("dampings has %d entries: expected 1"
                    .formatted(request.dampings().size()));
        }
        this.calculator = calculator;
        this.request = request;
        this.methods = methods;
        this.monitor = monitor;
        this.live = request.samples().liveOrdinals();
    }

    MethodComparison run() {
        Answer exact = compute(request.method(), 0);
        List<MethodFigures> figures = new ArrayList<>();
        for (InfluenceMethod method : methods) {
            figures.add(figures(method, compute(method, 1 + figures.size()), exact));
        }
        List<GradientNormSummary> norms = IntStream.range(
                        0, request.samples().layout().blockCount())
                .mapToObj(l -> Agreements.normSummary(request.samples(), l))
                .toList();
        return new MethodComparison(figures(request.method(), exact, exact), figures, norms);
    }

    @SuppressWarnings("ArrayRecordComponent") // handed over
    private record Answer(double[][] scores, Duration duration, Optional<SolverReport> report) {}

    private Answer compute(InfluenceMethod method, int index) {
        InfluenceRequest one = new InfluenceRequest(
                request.samples(),
                request.validationCount(),
                request.validationGradients(),
                method,
                request.dampings(),
                false,
                request.reproducible());
        long startNanos = System.nanoTime();
        try (InfluenceScores scores = calculator.compute(one, share(index)).getFirst()) {
            Duration duration = Duration.ofNanos(System.nanoTime() - startNanos);
            double[][] values = new double[request.validationCount()][live.length];
            for (int j = 0; j < values.length; j++) {
                for (int k = 0; k < live.length; k++) {
                    values[j][k] = scores.score(j, live[k]);
                }
            }
            return new Answer(values, duration, scores.solverReport());
        }
    }

    /** The monitor of one method: each gets an equal share of the progress. */
    private WorkMonitor share(int index) {
        return new WorkMonitor() {
            @Override
            public boolean cancelled() {
                return monitor.cancelled();
            }

            @Override
            public void progress(double fraction) {
                monitor.progress((index + fraction) / (1 + methods.size()));
            }
        };
    }

    private static MethodFigures figures(InfluenceMethod method, Answer answer, Answer exact) {
        List<Agreement> points = IntStream.range(0, exact.scores().length)
                .mapToObj(j -> Agreements.of(answer.scores()[j], exact.scores()[j]))
                .toList();
        return new MethodFigures(method, points, answer.duration(), answer.report());
    }
}
