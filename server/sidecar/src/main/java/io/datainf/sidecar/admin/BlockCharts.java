package io.datainf.sidecar.admin;

import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.influence.Damping;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.sidecar.admin.StatusView.ChartView;
import io.datainf.sidecar.admin.StatusView.DotView;
import io.datainf.sidecar.admin.StatusView.LineView;
import io.datainf.sidecar.admin.StatusView.PlotView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.DoubleStream;

/**
 * Draws lambda_l and the root mean square of |g_l|, block by block. Coordinates are those of an SVG of 720 x 200: values from 150 up
 * to 10, zeros at 170.
 */
final class BlockCharts {

    private static final int MAX_DOTS = 600;
    private static final double LEFT = 60;
    private static final double RIGHT = 710;
    private static final double TOP = 10;
    private static final double BOTTOM = 150;
    private static final double ZERO = 170;
    private static final int MAX_LINES = 6;

    private final BlockLayout layout;
    private final int step;

    private BlockCharts(BlockLayout layout) {
        this.layout = layout;
        this.step = Math.ceilDiv(layout.blockCount(), MAX_DOTS);
    }

    /** Draws the blocks of a run; empty if it was deleted or holds no samples. */
    static Optional<PlotView> of(Run run) {
        return run.statistics()
                .filter(statistics -> statistics.sampleCount() > 0)
                .map(statistics -> of(run.definition(), statistics));
    }

    static PlotView of(RunDefinition definition, BlockStatistics statistics) {
        BlockLayout layout = definition.layout();
        double[] lambda = new Damping.Scaled(definition.dampingScale()).lambda(layout, statistics);
        double[] norms = Arrays.stream(statistics.squaredNormSums())
                .map(sum -> Math.sqrt(sum / statistics.sampleCount()))
                .toArray();
        BlockCharts charts = new BlockCharts(layout);
        String note =
                charts.step == 1 ? "" : "Each dot is the greatest of %d blocks side by side.".formatted(charts.step);
        return new PlotView(
                definition.id().value(),
                note,
                List.of(
                        charts.chart("lambda", "Damping λ by block", lambda),
                        charts.chart("norm", "Gradient norm by block (root mean square over samples)", norms)));
    }

    private ChartView chart(String id, String heading, double[] values) {
        double[] positive = Arrays.stream(values).filter(value -> value > 0).toArray();
        double least = DoubleStream.of(positive).min().orElse(1);
        double most = DoubleStream.of(positive).max().orElse(1);
        int low = (int) Math.floor(Math.log10(least));
        int high = Math.max(low + 1, (int) Math.ceil(Math.log10(most)));
        List<DotView> dots = new ArrayList<>();
        for (int first = 0; first < values.length; first += step) {
            int l = greatest(values, first, Math.min(values.length, first + step));
            dots.add(dot(l, values[l], low, high));
        }
        String alt = positive.length == 0
                ? "all %s blocks are zero so far".formatted(Quantities.count(values.length))
                : "%s blocks from %s to %s; %s of them zero"
                        .formatted(
                                Quantities.count(values.length),
                                Quantities.scientific(least),
                                Quantities.scientific(most),
                                Quantities.count(values.length - positive.length));
        return new ChartView(id, heading, alt, positive.length == 0 ? List.of() : grid(low, high), dots);
    }

    private static int greatest(double[] values, int from, int to) {
        int greatest = from;
        for (int l = from; l < to; l++) {
            greatest = values[l] > values[greatest] ? l : greatest;
        }
        return greatest;
    }

    private DotView dot(int l, double value, int low, int high) {
        double x = LEFT + (RIGHT - LEFT) * (l + 0.5) / layout.blockCount();
        double y = value > 0 ? height(Math.log10(value), low, high) : ZERO;
        String name = layout.blocks().get(l).name();
        return new DotView(
                value > 0 ? kind(name) : "zero",
                coordinate(x),
                coordinate(y),
                "%s: %s".formatted(name, Quantities.scientific(value)));
    }

    private static List<LineView> grid(int low, int high) {
        List<LineView> lines = new ArrayList<>();
        int every = Math.ceilDiv(high - low, MAX_LINES);
        for (int exponent = low; exponent <= high; exponent += every) {
            lines.add(new LineView(coordinate(height(exponent, low, high)), "1e%d".formatted(exponent)));
        }
        return lines;
    }

    private static double height(double exponent, int low, int high) {
        return BOTTOM - (BOTTOM - TOP) * (exponent - low) / (high - low);
    }

    /** Which of the two matrices of a LoRA module it is, as PEFT names them. */
    private static String kind(String name) {
        return name.contains("lora_B") ? "lora-b" : "lora-a";
    }

    private static String coordinate(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
