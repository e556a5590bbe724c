package io.datainf.engine.influence;

import io.datainf.engine.kernel.DenseMatrix;
import java.lang.foreign.Arena;

/** The stored gradients of one block, widened to float64 a piece at a time: some elements of some samples. */
final class WidenedSamples {

    private static final int SAMPLES_PER_TASK = 64;

    private final ScanContext context;
    private final int[] live;
    private final int offset;
    private final DenseMatrix buffer;

    /** Allocates memory for a piece. It lives as long as {@code arena}. */
    WidenedSamples(ScanContext context, int block, int maxElements, int maxSamples, Arena arena) {
        this.context = context;
        this.live = context.samples().liveOrdinals();
        this.offset = context.samples().layout().offset(block);
        this.buffer = new DenseMatrix(maxElements, maxSamples, arena);
    }

    /** Samples that count. */
    int sampleCount() {
        return live.length;
    }

    /** Returns a piece, [elements, samples], until the next is asked for. Samples are numbered without those that do not count. */
    DenseMatrix load(int firstElement, int elementCount, int firstSample, int sampleCount) {
        DenseMatrix piece = buffer.part(0, 0, elementCount, sampleCount);
        int tasks = Math.ceilDiv(sampleCount, SAMPLES_PER_TASK);
        context.pool().forEach(tasks, context.work(), 0, task -> {
            int first = task * SAMPLES_PER_TASK;
            piece.columns(first, Math.min(SAMPLES_PER_TASK, sampleCount - first))
                    .widen(context.samples().gradients(), live, firstSample + first, offset + firstElement);
        });
        context.work().scanned(context.samples(), elementCount, sampleCount);
        return piece;
    }
}
