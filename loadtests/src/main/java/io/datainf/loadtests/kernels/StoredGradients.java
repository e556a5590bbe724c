package io.datainf.loadtests.kernels;

import io.datainf.engine.influence.BlockStatisticsAccumulator;
import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.InfluenceRequest;
import io.datainf.engine.influence.InfluenceScores;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.influence.WorkMonitor;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;

/** Random gradients in memory as the server holds them, and validation gradients to ask for. */
final class StoredGradients implements AutoCloseable {

    /** Validation gradients there are. */
    static final int MAX_QUERIES = 32;

    private final GradientMatrix matrix;
    private final SquaredNorms squaredNorms;
    private final BlockStatisticsAccumulator statistics;
    private final SplittableRandom random = new SplittableRandom(1);
    private final Arena arena = Arena.ofShared();
    private final MemorySegment queries; // [MAX_QUERIES, D]

    /** Makes {@code sampleCount} gradients with elements between -0.5 and 0.5. */
    StoredGradients(BlockLayout layout, ElementType type, int sampleCount) {
        matrix = new GradientMatrix(layout, type);
        squaredNorms = new SquaredNorms(layout.blockCount());
        queries = arena.allocate(ValueLayout.JAVA_FLOAT, (long) MAX_QUERIES * layout.dimension());
        statistics = new BlockStatisticsAccumulator(layout.blockCount());
        append(sampleCount);
        fill(queries, random);
    }

    /** Makes more gradients. */
    void append(int sampleCount) {
        BlockLayout layout = matrix.layout();
        double[] q = new double[layout.blockCount()];
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment values = scratch.allocate(ValueLayout.JAVA_FLOAT, layout.dimension());
            for (int i = 0; i < sampleCount; i++) {
                MemorySegment row = matrix.nextRow();
                ElementConversion.convert(
                        fill(values, random), ElementType.F32, row, matrix.elementType(), layout.dimension());
                matrix.publishRow();
                SquaredNorms.ofRow(row, layout, matrix.elementType(), q);
                squaredNorms.append(q);
                statistics.add(q);
            }
        }
    }

    private static MemorySegment fill(MemorySegment values, SplittableRandom random) {
        for (long i = 0; i < values.byteSize() / Float.BYTES; i++) {
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (random.nextInt() >> 8) * 0x1p-24f);
        }
        return values;
    }

    GradientMatrix matrix() {
        return matrix;
    }

    /** Validation gradients, [{@link #MAX_QUERIES}, D] float32. */
    MemorySegment queries() {
        return queries;
    }

    /** Computes the scores of all samples on the first {@code queryCount} validation gradients. */
    void score(InfluenceCalculator calculator, InfluenceMethod method, int queryCount) {
        compute(calculator, method, queryCount).close();
    }

    /** The same; the caller closes the scores. */
    InfluenceScores compute(InfluenceCalculator calculator, InfluenceMethod method, int queryCount) {
        SampleSet samples =
                new SampleSet(matrix, squaredNorms, (int) matrix.rowCount(), new BitSet(), statistics.snapshot());
        MemorySegment v = queries.asSlice(0, (long) queryCount * matrix.layout().dimension() * Float.BYTES);
        InfluenceRequest request =
                new InfluenceRequest(samples, queryCount, v, method, List.of(new Damping.Scaled(0.1)), false, false);
        return calculator.compute(request, WorkMonitor.of(() -> false)).getFirst();
    }

    @Override
    public void close() {
        matrix.close();
        squaredNorms.close();
        arena.close();
    }
}
