package io.datainf.engine.run;

import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.store.BatchRecord;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * Brings the rows of a group to where they will show. Most arrived there. Others are copied while the log thread writes and forces
 * them: the copy costs as much as the write. On a thread of its own, unless there is so little that a thread costs more. Used
 * once.
 */
final class RowCopy implements AutoCloseable {

    private static final long THREAD_FROM_BYTES = 1L << 20;

    /**
     * Rows of one batch.
     *
     * @param entry as it is to be logged
     * @param firstOrdinal of its first stored row
     * @param residentCount how many of its stored rows, the first ones, are in memory once they are copied
     * @param arrived whether they are there already
     */
    record Part(BatchRecord entry, int firstOrdinal, int residentCount, boolean arrived) {

        private int copiedCount() {
            return arrived ? 0 : residentCount;
        }
    }

    private final RunId runId;
    private final RowTable rows;
    private final RowPlaces places;
    private final List<Part> parts = new ArrayList<>();
    private final FutureTask<Void> task = new FutureTask<>(this::copy, null);
    private int nextOrdinal;
    private int reservedCount;
    private boolean begun;
    private @Nullable Arena moving;

    /** Begins a group behind the rows that the table has; on the log thread, like all but the copying. */
    RowCopy(RunId runId, RowTable rows, RowPlaces places) {
        this.runId = runId;
        this.rows = rows;
        this.places = places;
        this.nextOrdinal = rows.rowCount();
    }

    /**
     * Takes the next batch of the group, as it was resolved.
     *
     * @param claimedCount for how many of its rows memory is reserved, besides that of the place
     */
    Part add(BatchRecord entry, RowPlace place, int claimedCount) {
        int storedCount = entry.stored().length;
        Part part;
        if (place.rows() == null) {
            part = new Part(entry, nextOrdinal, reserve(storedCount, claimedCount), false);
        } else if (place.firstOrdinal() == nextOrdinal && place.rowCount() == storedCount) {
            part = new Part(entry, nextOrdinal, storedCount, true);
        } else {
            // Its reservation moves with it.
            part = new Part(lift(entry), nextOrdinal, storedCount, false);
        }
        parts.add(part);
        nextOrdinal += storedCount;
        return part;
    }

    private int reserve(int rowCount, int claimedCount) {
        int reserved = claimedCount;
        while (reserved < rowCount && rows.tryReserve(1)) {
            reserved++;
        }
        reservedCount += reserved;
        return reserved;
    }

    /** Takes the rows of a batch out of their place, where the rows of another one may come to lie. */
    private BatchRecord lift(BatchRecord entry) {
        SampleColumns samples = entry.samples();
        long rowBytes = rows.gradients().rowBytes();
        if (moving == null) {
            moving = Arena.ofShared();
        }
        MemorySegment lifted = moving.allocate(samples.sampleCount() * rowBytes, Long.BYTES);
        for (int sample : entry.stored()) {
            MemorySegment.copy(samples.rows(), sample * samples.strideBytes(), lifted, sample * rowBytes, rowBytes);
        }
        return new BatchRecord(
                entry.writerId(),
                entry.batchSeq(),
                entry.revision(),
                new SampleColumns(
                        samples.sampleIds(),
                        samples.steps(),
                        lifted,
                        rowBytes,
                        samples.squaredNorms(),
                        samples.checksums()),
                entry.stored());
    }

    /** Begins to copy. Nothing is published. */
    void begin() {
        begun = true;
        int copied = 0;
        for (Part part : parts) {
            for (int i = part.residentCount(); i < part.entry().stored().length; i++) {
                places.clearUsed(part.firstOrdinal() + i);
            }
            if (part.copiedCount() > 0) {
                copied += part.copiedCount();
                // Maps it, which may fail, now: what is written is to show.
                rowAt(part.firstOrdinal() + part.copiedCount() - 1);
            }
        }
        if (copied * rows.gradients().rowBytes() >= THREAD_FROM_BYTES) {
            Thread.ofPlatform().name("datainf-rows-" + runId).daemon().start(task);
        }
    }

    /** Gives the memory back because the group does not count; the memory of its batches goes away. */
    void abandon() {
        try {
            if (begun) {
                await();
            }
        } finally {
            rows.unreserve(reservedCount);
        }
    }

    /** Returns when all rows are there, which is done here if nobody has begun. */
    void await() {
        task.run();
        boolean interrupted = false;
        while (true) {
            try {
                task.get();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (ExecutionException e) {
                throw new IllegalStateException("rows could not be copied", e.getCause());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void copy() {
        long rowBytes = rows.gradients().rowBytes();
        for (Part part : parts) {
            SampleColumns from = part.entry().samples();
            for (int i = 0; i < part.copiedCount(); i++) {
                long offset = part.entry().stored()[i] * from.strideBytes();
                MemorySegment.copy(from.rows(), offset, rowAt(part.firstOrdinal() + i), 0, rowBytes);
            }
        }
    }

    private MemorySegment rowAt(int ordinal) {
        GradientMatrix gradients = rows.gradients();
        return Objects.requireNonNull(gradients.unpublishedRows(ordinal, 1), "one row lies in one piece");
    }

    /** Lets go of rows that were moved; after the group is done with. */
    @Override
    public void close() {
        if (moving != null) {
            moving.close();
        }
    }
}
