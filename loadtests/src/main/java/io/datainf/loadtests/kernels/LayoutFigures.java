package io.datainf.loadtests.kernels;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.memory.ElementType;
import io.datainf.loadtests.report.Figure;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The figures of one workload. "Passes" are DataInf's two, "scores" is the second alone (the method HESSIAN_FREE): all that a query computes, by the
 * same call that the server makes.
 */
final class LayoutFigures implements AutoCloseable {

    private static final InfluenceMethod PASSES = new InfluenceMethod.DataInf();
    private static final InfluenceMethod SCORES = new InfluenceMethod.HessianFree();

    private final Workload workload;
    private final StoredGradients f32;
    private final StoredGradients bf16;
    private final Engines engines;
    private final Optional<Peers> peers;
    private final List<Figure> figures = new ArrayList<>();

    /** What computes. */
    record Engines(InfluenceCalculator vector, InfluenceCalculator nd4j, MemoryReading reading) {}

    LayoutFigures(Workload workload, Engines engines, Optional<Peers> peers) {
        this.workload = workload;
        this.engines = engines;
        this.peers = peers;
        this.f32 = new StoredGradients(workload.layout(), ElementType.F32, workload.sampleCount());
        this.bf16 = new StoredGradients(workload.layout(), ElementType.BF16, workload.sampleCount());
        peers.ifPresent(p -> p.prepare(workload));
    }

    /** Measures with {@code m} queries at once and adds the figures. */
    void measure(int m, int rounds) throws Exception {
        Contest contest = new Contest();
        contest.enter("read", () -> engines.reading().read(f32.matrix()));
        contest.enter("passes", () -> f32.score(engines.vector(), PASSES, m));
        contest.enter("scores", () -> f32.score(engines.vector(), SCORES, m));
        contest.enter("bf16 passes", () -> bf16.score(engines.vector(), PASSES, m));
        contest.enter("bf16 scores", () -> bf16.score(engines.vector(), SCORES, m));
        contest.enter("nd4j passes", () -> f32.score(engines.nd4j(), PASSES, m));
        peers.ifPresent(p -> {
            enter(contest, p, m, "numpy", "passes", "scores");
            enter(contest, p, m, "torch", "passes", "scores", "bf16_passes", "bf16_scores");
            enter(contest, p, m, "faiss", "scores");
        });
        contest.run(rounds);
        ours(contest, m);
        others(contest, m);
    }

    private static void enter(Contest contest, Peers peers, int m, String library, String... works) {
        if (peers.has(library)) {
            for (String work : works) {
                String peer = library + "_" + work;
                contest.enterTimed(peer.replace('_', ' '), () -> peers.run(peer, m));
            }
        }
    }

    private void ours(Contest contest, int m) {
        double bytes = workload.elementCount() * Float.BYTES;
        report(m, "read limit of the memory", bytes / contest.seconds("read") * 1e-9, "GB/s");
        report(m, "f32, both passes", contest.seconds("passes") * 1e3, "ms");
        report(m, "f32, scores", contest.seconds("scores") * 1e3, "ms");
        double products = 2 * workload.elementCount() * m;
        report(m, "f32, both passes, products", 3 * products / contest.seconds("passes") * 1e-9, "GFLOP/s");
        report(m, "f32, scores, products", products / contest.seconds("scores") * 1e-9, "GFLOP/s");
        String twoReadings = name(m, "f32, both passes / two readings");
        String bf16Share = name(m, "bf16 / f32, both passes");
        double readings = contest.ratio("passes", "read") / 2;
        double share = contest.ratio("bf16 passes", "passes");
        if (m == 1) {
            figures.add(Figure.atMost(twoReadings, readings, "x", 1.55));
            figures.add(Figure.atMost(bf16Share, share, "x", 0.70));
        } else {
            figures.add(Figure.reported(twoReadings, readings, "x"));
            figures.add(Figure.reported(bf16Share, share, "x"));
        }
        report(m, "f32, scores / one reading", contest.ratio("scores", "read"), "x");
        report(m, "bf16 / f32, scores", contest.ratio("bf16 scores", "scores"), "x");
    }

    private void others(Contest contest, int m) {
        report(m, "ND4J / vector, both passes", contest.ratio("nd4j passes", "passes"), "x");
        if (contest.has("numpy passes")) {
            compare(
                    m,
                    "OpenBLAS (numpy) / ours, both passes",
                    contest.ratio("numpy passes", "passes"),
                    m == 32 ? 1.15 : 0);
            compare(m, "OpenBLAS (numpy) / ours, scores", contest.ratio("numpy scores", "scores"), 0);
        }
        if (contest.has("torch passes")) {
            compare(m, "torch / ours, both passes", contest.ratio("torch passes", "passes"), m == 32 ? 1.4 : 0);
            compare(m, "torch / ours, scores", contest.ratio("torch scores", "scores"), 0);
            compare(m, "torch bf16 / ours bf16, both passes", contest.ratio("torch bf16 passes", "bf16 passes"), 0);
            compare(m, "torch bf16 / ours bf16, scores", contest.ratio("torch bf16 scores", "bf16 scores"), 0);
            double error = peers.orElseThrow().run("torch_bf16_error", m);
            report(m, "torch bf16, error of the scores", error, "of the greatest");
        }
        if (contest.has("faiss scores")) {
            double target = m == 1 ? 2 : m == 8 ? 3 : 1.5;
            compare(m, "faiss IndexFlatIP / ours, scores", contest.ratio("faiss scores", "scores"), target);
        }
    }

    private void compare(int m, String what, double ratio, double target) {
        String name = name(m, what);
        figures.add(target > 0 ? Figure.atLeast(name, ratio, "x", target) : Figure.reported(name, ratio, "x"));
    }

    private void report(int m, String what, double value, String unit) {
        figures.add(Figure.reported(name(m, what), value, unit));
    }

    private String name(int m, String what) {
        return "%s, m = %d: %s".formatted(workload.name(), m, what);
    }

    List<Figure> figures() {
        return figures;
    }

    @Override
    public void close() {
        f32.close();
        bf16.close();
    }
}
