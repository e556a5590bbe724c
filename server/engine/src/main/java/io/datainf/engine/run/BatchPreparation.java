package io.datainf.engine.run;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.run.BatchReceipt.Reason;
import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Everything about a batch that needs no knowledge of other batches, done on the writer's own thread as its rows arrive: conversion
 * to the stored encoding, q of the stored values, refusal of NaN and infinity, checksums. One thread at a time.
 */
final class BatchPreparation {

    private static final long ROW_ALIGNMENT_BYTES = 64;

    private final BlockLayout layout;
    private final ElementType storedType;
    private final long rowBytes;
    private final long strideBytes;
    private final RowTransfer transfer;

    BatchPreparation(RunDefinition definition) {
        this.layout = definition.layout();
        this.storedType = definition.storedType();
        this.rowBytes = (long) layout.dimension() * storedType.byteCount();
        this.strideBytes = GradientMatrix.strideBytes(layout, storedType);
        this.transfer = new RowTransfer(layout, storedType);
    }

    /**
     * Checks the size of a batch, before anything is done for it.
     *
     * @throws IllegalArgumentException if the gradients do not have one row for each id
     */
    void requireRows(SampleBatch batch) {
        int count = batch.sampleIds().length;
        long expected = (long) layout.dimension() * batch.elementType().byteCount() * count;
        long actual = batch.gradients().byteCount();
        if (actual != expected) {
            throw new IllegalArgumentException("gradients has %d bytes: expected %d for %d samples of %d elements %s"
                    .formatted(actual, expected, count, layout.dimension(), batch.elementType()));
        }
        if ((long) count * layout.blockCount() > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("batch has %d samples of %d blocks: send fewer samples at once"
                    .formatted(count, layout.blockCount()));
        }
    }

    /** Takes in the rows of a batch, to their place if it has one. What the source throws comes out. */
    PendingBatch.Content take(PendingBatch pending, SampleBatch batch) {
        MemorySegment place = pending.place().rows();
        if (place != null) {
            return take(batch, place, strideBytes);
        }
        long bytes = rowBytes * batch.sampleIds().length;
        return take(batch, pending.arena().allocate(bytes, ROW_ALIGNMENT_BYTES), rowBytes);
    }

    private PendingBatch.Content take(SampleBatch batch, MemorySegment rows, long stride) {
        int count = batch.sampleIds().length;
        int blocks = layout.blockCount();
        double[] squaredNorms = new double[count * blocks];
        int[] checksums = new int[count];
        int[] accepted = new int[count];
        int acceptedCount = 0;
        List<RejectedSample> rejected = new ArrayList<>(0);
        try (transfer) {
            transfer.begin(batch.gradients(), batch.elementType(), rows);
            for (int i = 0; i < count; i++) {
                MemorySegment row = rows.asSlice(i * stride, rowBytes);
                checksums[i] = transfer.next(row, i * stride);
                int bad = firstNotFinite(transfer.squaredNorms());
                if (bad >= 0) {
                    rejected.add(rejection(batch.sampleIds()[i], row, bad));
                } else {
                    System.arraycopy(transfer.squaredNorms(), 0, squaredNorms, i * blocks, blocks);
                    accepted[acceptedCount++] = i;
                }
            }
            batch.gradients().verify(transfer.sentChecksum());
        }
        int[] positions = acceptedCount == count ? accepted : Arrays.copyOf(accepted, acceptedCount);
        SampleColumns samples =
                new SampleColumns(batch.sampleIds(), batch.steps(), rows, stride, squaredNorms, checksums);
        return new PendingBatch.Content(samples, positions, rejected);
    }

    /** A sum of squares of floats cannot overflow a double: it is finite if and only if every element is. */
    private static int firstNotFinite(double[] q) {
        for (int l = 0; l < q.length; l++) {
            if (!Double.isFinite(q[l])) {
                return l;
            }
        }
        return -1;
    }

    private RejectedSample rejection(long sampleId, MemorySegment row, int block) {
        String name = layout.blocks().get(block).name();
        for (int i = 0; i < layout.width(block); i++) {
            long element = layout.offset(block) + (long) i;
            float stored = ElementConversion.elementAt(row, storedType, element);
            if (!Float.isFinite(stored)) {
                float sent = transfer.sentElement(row, element);
                String detail = "element %d of block '%s' is %s".formatted(i, name, sent);
                if (Float.isFinite(sent)) {
                    detail += ", which " + storedType + " cannot hold";
                }
                Reason reason = Float.isNaN(stored) ? Reason.NAN : Reason.INFINITE;
                return new RejectedSample(sampleId, name, reason, detail);
            }
        }
        throw new AssertionError(
                "block '%s' has a squared norm that is not finite and only finite elements".formatted(name));
    }
}
