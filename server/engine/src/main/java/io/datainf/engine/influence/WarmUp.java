package io.datainf.engine.influence;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;

/** Computations on random gradients, repeated until the loops of every kernel are compiled. */
final class WarmUp {

    private static final int ROUNDS = 4;
    private static final int ROWS = 128;
    private static final int FEW_ROWS = 64; // takes the kernels of float64
    private static final int[] COLUMN_COUNTS = {1, 8};
    private static final BlockLayout LAYOUT = layout();

    private WarmUp() {}

    // Wide blocks for what loops over elements, many narrow ones for what is called block by block.
    private static BlockLayout layout() {
        List<Block> blocks = new ArrayList<>();
        for (int l = 0; l < 48; l++) {
            blocks.add(new Block("block " + l, 1, l % 24 == 0 ? 4099 : 61));
        }
        return BlockLayout.of(blocks);
    }

    /** Runs the computations of {@code calculator} for each stored type. */
    static void run(InfluenceCalculator calculator, WorkMonitor monitor) {
        for (ElementType type : ElementType.values()) {
            if (type.storable()) {
                run(calculator, type, monitor);
            }
        }
    }

    private static void run(InfluenceCalculator calculator, ElementType type, WorkMonitor monitor) {
        try (GradientMatrix gradients = new GradientMatrix(LAYOUT, type);
                SquaredNorms norms = new SquaredNorms(LAYOUT.blockCount());
                Arena arena = Arena.ofShared()) {
            SplittableRandom random = new SplittableRandom(1);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, 8L * LAYOUT.dimension());
            BlockStatisticsAccumulator statistics = new BlockStatisticsAccumulator(LAYOUT.blockCount());
            BlockStatistics few = statistics.snapshot();
            double[] q = new double[LAYOUT.blockCount()];
            for (int i = 0; i < ROWS; i++) {
                fill(values, random);
                MemorySegment row = gradients.nextRow();
                ElementConversion.convert(values, ElementType.F32, row, type, LAYOUT.dimension());
                gradients.publishRow();
                SquaredNorms.ofRow(row, LAYOUT, type, q);
                norms.append(q);
                statistics.add(q);
                few = i == FEW_ROWS - 1 ? statistics.snapshot() : few;
            }
            for (int round = 0; round < ROUNDS; round++) {
                for (int m : COLUMN_COUNTS) {
                    compute(
                            calculator,
                            new SampleSet(gradients, norms, ROWS, new BitSet(), statistics.snapshot()),
                            m,
                            values,
                            monitor);
                    compute(
                            calculator,
                            new SampleSet(gradients, norms, FEW_ROWS, new BitSet(), few),
                            m,
                            values,
                            monitor);
                }
            }
        }
    }

    private static void compute(
            InfluenceCalculator calculator, SampleSet samples, int m, MemorySegment values, WorkMonitor monitor) {
        MemorySegment v = values.asSlice(0, (long) m * LAYOUT.dimension() * Float.BYTES);
        InfluenceRequest request = new InfluenceRequest(
                samples, m, v, new InfluenceMethod.DataInf(), List.of(new Damping.Scaled(0.1)), false, false);
        calculator.compute(request, monitor).forEach(InfluenceScores::close);
    }

    private static void fill(MemorySegment values, SplittableRandom random) {
        for (long i = 0; i < values.byteSize() / Float.BYTES; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble() - 0.5f);
        }
    }
}
