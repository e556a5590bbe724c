package io.datainf.engine.run;

import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.store.BatchRecord;
import io.datainf.engine.store.LogRecord;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Copies the rows of a group to where they will show, while the log thread writes and forces them: the copy costs as much as the
 * write. On a thread of its own, unless there is so little that a thread costs more. Used once.
 */
final class RowCopy {

    private static final long THREAD_FROM_BYTES = 1L << 20;

    private final RowTable rows;
    private final List<LogRecord> records;
    private final int firstOrdinal;
    private final int residentCount;
    private final FutureTask<Void> task = new FutureTask<>(this::copy, null);

    private RowCopy(RowTable rows, List<LogRecord> records, int residentCount) {
        this.rows = rows;
        this.records = records;
        this.firstOrdinal = rows.rowCount();
        this.residentCount = residentCount;
    }

    /**
     * Begins to copy the rows that find memory, the first ones; on the log thread. Nothing is published.
     *
     * @param claimedCount for how many rows memory is reserved already
     */
    static RowCopy begin(RunId runId, RowTable rows, List<LogRecord> records, int claimedCount) {
        int rowCount = records.stream().mapToInt(LogRecord::rowCount).sum();
        int residentCount = claimedCount;
        while (residentCount < rowCount && rows.tryReserve()) {
            residentCount++;
        }
        boolean begun = false;
        try {
            rows.gradients().mapRows(residentCount);
            RowCopy copy = new RowCopy(rows, records, residentCount);
            if (residentCount * rows.gradients().rowBytes() >= THREAD_FROM_BYTES) {
                Thread.ofPlatform().name("datainf-rows-" + runId).daemon().start(copy.task);
            }
            begun = true;
            return copy;
        } finally {
            if (!begun) {
                rows.unreserve(residentCount);
            }
        }
    }

    /** Up to which ordinal the rows of the group are in memory once they are copied. */
    int residentEnd() {
        return firstOrdinal + residentCount;
    }

    /** Gives the memory back because the group does not count; the memory of its batches goes away. */
    void abandon() {
        try {
            await();
        } finally {
            rows.unreserve(residentCount);
        }
    }

    /** Returns when all rows are copied, which is done here if nobody has begun; on the log thread. */
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
        GradientMatrix gradients = rows.gradients();
        long rowBytes = gradients.rowBytes();
        int ordinal = firstOrdinal;
        for (LogRecord entry : records) {
            if (entry instanceof BatchRecord batch) {
                MemorySegment from = batch.samples().rows();
                for (int sample : batch.stored()) {
                    if (ordinal == residentEnd()) {
                        return;
                    }
                    MemorySegment.copy(from, sample * rowBytes, gradients.unpublishedRow(ordinal), 0, rowBytes);
                    ordinal++;
                }
            }
        }
    }
}
