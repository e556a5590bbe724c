package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.ColumnSums;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.function.ObjDoubleConsumer;

/**
 * What every pass over the rows needs.
 *
 * @param plan how the rows are cut
 * @param kernels the loops
 * @param single whether they compute in float32
 * @param pool the threads
 * @param work whether to go on
 */
record ScanContext(ScanPlan plan, GradientKernels kernels, boolean single, KernelPool pool, Work work) {

    SampleSet samples() {
        return plan.samples();
    }

    RoundingError roundingError() {
        return new RoundingError(single);
    }

    ColumnVectors newVectors(BlockRange range, int columnCount, Arena arena) {
        return kernels.newVectors(range, samples().gradients().elementType(), columnCount, arena);
    }

    ColumnSums newSums(BlockRange range, int columnCount, Arena arena) {
        return kernels.newSums(range, samples().gradients().elementType(), columnCount, arena);
    }

    /** Reads all rows once: hands them on in order, stretch by stretch, and says what share of all rows each stretch is. */
    void forEachStretch(ObjDoubleConsumer<RowStretch> action) {
        if (samples().inMemory()) {
            action.accept(new RowStretch(samples().gradients(), 0, samples().rowCount()), 1);
        } else {
            new SlabScan(this, action).run();
        }
    }

    /** Says that all rows were read over some ranges. */
    void scanned(List<BlockRange> ranges) {
        double elements = ranges.stream().mapToDouble(BlockRange::elementCount).sum();
        work.scanned(samples(), elements, samples().rowCount());
    }

    /** Multiplications of a pass that takes every element of the rows {@code times} times. */
    double cost(double times) {
        double elements = 0;
        for (BlockRange range : plan.ranges()) {
            elements += range.elementCount();
        }
        return times * elements * samples().rowCount();
    }

    /** Elements of the widest block of a range. */
    static int widest(BlockRange range) {
        int widest = 0;
        for (int b = 0; b < range.blockCount(); b++) {
            widest = Math.max(widest, range.width(b));
        }
        return widest;
    }
}
