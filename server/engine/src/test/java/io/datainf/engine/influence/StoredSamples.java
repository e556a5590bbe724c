package io.datainf.engine.influence;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;

/** Gradients stored as a run stores them, for tests. */
final class StoredSamples implements AutoCloseable {

    final BlockLayout layout;
    private final GradientMatrix gradients;
    private final SquaredNorms norms;
    private final BitSet dead = new BitSet();

    StoredSamples(BlockLayout layout, ElementType type, float[]... rows) {
        this.layout = layout;
        this.gradients = new GradientMatrix(layout, type);
        this.norms = new SquaredNorms(layout.blockCount());
        for (float[] row : rows) {
            add(row);
        }
    }

    static BlockLayout layout(int... widths) {
        List<Block> blocks = new ArrayList<>();
        for (int width : widths) {
            blocks.add(new Block("block" + blocks.size(), 1, width));
        }
        return BlockLayout.of(blocks);
    }

    /** Standard normal numbers, [count, dimension]. */
    static float[][] gaussian(Random random, int count, int dimension) {
        float[][] rows = new float[count][dimension];
        for (float[] row : rows) {
            for (int i = 0; i < dimension; i++) {
                row[i] = (float) random.nextGaussian();
            }
        }
        return rows;
    }

    static MemorySegment segment(float[]... rows) {
        float[] flat = new float[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
        }
        return MemorySegment.ofArray(flat);
    }

    void add(float... row) {
        MemorySegment target = gradients.nextRow();
        ElementConversion.convert(
                MemorySegment.ofArray(row), ElementType.F32, target, gradients.elementType(), layout.dimension());
        gradients.publishRow();
        double[] q = new double[layout.blockCount()];
        SquaredNorms.ofRow(target, layout, gradients.elementType(), q);
        norms.append(q);
    }

    void kill(int ordinal) {
        dead.set(ordinal);
    }

    /** Rows held, dead ones included. */
    int rowCount() {
        return (int) gradients.rowCount();
    }

    boolean live(int ordinal) {
        return !dead.get(ordinal);
    }

    int liveCount() {
        return rowCount() - dead.cardinality();
    }

    /** The stored values of one block of a row. */
    double[] block(int ordinal, int l) {
        float[] values = new float[layout.width(l)];
        ElementType type = gradients.elementType();
        MemorySegment block = gradients.row(ordinal).asSlice((long) layout.offset(l) * type.byteCount());
        ElementConversion.toFloats(block, type, values, 0, values.length);
        double[] widened = new double[values.length];
        for (int e = 0; e < widened.length; e++) {
            widened[e] = values[e];
        }
        return widened;
    }

    SampleSet set() {
        BlockStatisticsAccumulator statistics = new BlockStatisticsAccumulator(layout.blockCount());
        for (int i = 0; i < rowCount(); i++) {
            if (live(i)) {
                statistics.add(norms, i);
            }
        }
        return new SampleSet(gradients, norms, rowCount(), (BitSet) dead.clone(), statistics.snapshot());
    }

    InfluenceRequest request(InfluenceMethod method, float[]... validation) {
        return new InfluenceRequest(
                set(), validation.length, segment(validation), method, List.of(new Damping.Scaled(0.1)), true, false);
    }

    @Override
    public void close() {
        gradients.close();
        norms.close();
    }
}
