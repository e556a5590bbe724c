package io.datainf.engine.run;

import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.BatchReceipt.Reason;
import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.store.Crc32c;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Everything about a batch that needs no knowledge of other batches, done on the writer's own thread: conversion to the
 * stored encoding, q of the stored values, refusal of NaN and infinity, checksums. One thread at a time.
 */
final class BatchPreparation {

    private static final long ROW_ALIGNMENT_BYTES = 64;
    // Memory of a confined arena cannot be read by the log thread.
    private static final Thread OTHER_THREAD = Thread.ofPlatform().unstarted(() -> {});

    private final BlockLayout layout;
    private final ElementType storedType;
    private final long rowBytes;
    private final double[] q;
    private final Crc32c crc = new Crc32c();

    BatchPreparation(RunDefinition definition) {
        this.layout = definition.layout();
        this.storedType = definition.storedType();
        this.rowBytes = (long) layout.dimension() * storedType.byteCount();
        this.q = new double[layout.blockCount()];
    }

    /**
     * Prepares a batch.
     *
     * @throws IllegalArgumentException if the gradients do not have one row for each id
     */
    PendingBatch prepare(RunWriter writer, SampleBatch batch) {
        int count = batch.sampleIds().length;
        requireRows(batch, count);
        Arena arena = needsCopy(batch) ? Arena.ofShared() : null;
        boolean prepared = false;
        try {
            MemorySegment rows = arena == null ? batch.gradients() : stored(batch, count, arena);
            PendingBatch pending = measure(writer, batch, rows, arena);
            prepared = true;
            return pending;
        } finally {
            if (!prepared && arena != null) {
                arena.close();
            }
        }
    }

    private void requireRows(SampleBatch batch, int count) {
        long expected = (long) layout.dimension() * batch.elementType().byteCount() * count;
        if (batch.gradients().byteSize() != expected) {
            throw new IllegalArgumentException("gradients has %d bytes: expected %d for %d samples of %d elements %s"
                    .formatted(batch.gradients().byteSize(), expected, count, layout.dimension(), batch.elementType()));
        }
        if ((long) count * layout.blockCount() > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("batch has %d samples of %d blocks: send fewer samples at once"
                    .formatted(count, layout.blockCount()));
        }
    }

    private boolean needsCopy(SampleBatch batch) {
        return batch.elementType() != storedType
                || !batch.gradients().isNative()
                || !batch.gradients().isAccessibleBy(OTHER_THREAD);
    }

    private MemorySegment stored(SampleBatch batch, int count, Arena arena) {
        MemorySegment rows = arena.allocate(rowBytes * count, ROW_ALIGNMENT_BYTES);
        ElementConversion.convert(
                batch.gradients(), batch.elementType(), rows, storedType, (long) layout.dimension() * count);
        return rows;
    }

    private PendingBatch measure(RunWriter writer, SampleBatch batch, MemorySegment rows, @Nullable Arena arena) {
        int count = batch.sampleIds().length;
        int blocks = layout.blockCount();
        double[] squaredNorms = new double[count * blocks];
        int[] checksums = new int[count];
        int[] accepted = new int[count];
        int acceptedCount = 0;
        List<RejectedSample> rejected = new ArrayList<>(0);
        for (int i = 0; i < count; i++) {
            SquaredNorms.ofRow(rows.asSlice(i * rowBytes, rowBytes), layout, storedType, q);
            int bad = firstNotFinite();
            if (bad >= 0) {
                rejected.add(rejection(batch, i, rows, bad));
            } else {
                System.arraycopy(q, 0, squaredNorms, i * blocks, blocks);
                accepted[acceptedCount++] = i;
            }
        }
        crc.ofRows(rows, rowBytes, count, checksums);
        SampleColumns samples = new SampleColumns(batch.sampleIds(), batch.steps(), rows, squaredNorms, checksums);
        int[] positions = acceptedCount == count ? accepted : Arrays.copyOf(accepted, acceptedCount);
        return new PendingBatch(
                writer,
                batch.batchSeq(),
                batch.allowDeleted(),
                samples,
                positions,
                rejected,
                arena,
                new CompletableFuture<>());
    }

    /** A sum of squares of floats cannot overflow a double: it is finite if and only if every element is. */
    private int firstNotFinite() {
        for (int l = 0; l < q.length; l++) {
            if (!Double.isFinite(q[l])) {
                return l;
            }
        }
        return -1;
    }

    private RejectedSample rejection(SampleBatch batch, int sample, MemorySegment rows, int block) {
        long first = (long) sample * layout.dimension() + layout.offset(block);
        String name = layout.blocks().get(block).name();
        for (int i = 0; i < layout.width(block); i++) {
            float stored = ElementConversion.elementAt(rows, storedType, first + i);
            if (!Float.isFinite(stored)) {
                float sent = ElementConversion.elementAt(batch.gradients(), batch.elementType(), first + i);
                String detail = "element %d of block '%s' is %s".formatted(i, name, sent);
                if (Float.isFinite(sent)) {
                    detail += ", which " + storedType + " cannot hold";
                }
                Reason reason = Float.isNaN(stored) ? Reason.NAN : Reason.INFINITE;
                return new RejectedSample(batch.sampleIds()[sample], name, reason, detail);
            }
        }
        throw new AssertionError(
                "block '%s' has a squared norm of %s and only finite elements".formatted(name, q[block]));
    }
}
