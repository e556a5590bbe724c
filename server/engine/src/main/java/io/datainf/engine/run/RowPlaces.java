package io.datainf.engine.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/*
 * Which ordinals a batch gets is known when it is committed: duplicates, refused samples and failures take none. But almost always
 * all samples are stored, so rows are received where they will lie if they are: one copy from the network. Where it turns out
 * otherwise, the rows behind are moved when they are committed. Their old places, which are above, stay in use until then;
 * what arrives meanwhile would have to lie there too, and is received beside.
 */
/** Gives batches that arrive the places of their rows. Any thread; places come in the order of the log. */
final class RowPlaces {

    private final RowTable rows;

    // After the rows of all batches that arrive, wait or are being committed, if all are stored.
    @GuardedBy("this")
    private long nextOrdinal;

    // After the last place in use; 0 if none is.
    @GuardedBy("this")
    private long usedEnd;

    @GuardedBy("this")
    private int usedCount;

    @GuardedBy("this")
    private long everUsedEnd;

    /** Begins after the rows that the table has. */
    RowPlaces(RowTable rows) {
        this.rows = rows;
        this.nextOrdinal = rows.rowCount();
    }

    /** Returns the place of the next batch; {@link #end} follows. The rows stay in memory until then. */
    synchronized RowPlace next(int rowCount) {
        if (!rows.hold()) {
            throw new IllegalStateException("the run is closed");
        }
        long first = nextOrdinal;
        MemorySegment memory = first >= usedEnd ? reserve(first, rowCount) : null;
        nextOrdinal += rowCount;
        if (memory != null) {
            usedEnd = first + rowCount;
            everUsedEnd = Math.max(everUsedEnd, usedEnd);
            usedCount++;
        }
        return new RowPlace(first, rowCount, memory);
    }

    /** The batch is stored, as far as it is, or not: its place is not in use any more. */
    synchronized void end(RowPlace place, int storedCount) {
        nextOrdinal -= place.rowCount() - storedCount;
        if (place.rows() != null) {
            rows.unreserve(place.rowCount() - storedCount);
            usedCount--;
            if (usedCount == 0) {
                usedEnd = 0;
            }
        }
        rows.release();
    }

    /** Makes an ordinal whose row will not be in memory read as zeros, in case something arrived there in vain. */
    synchronized void clearUsed(int ordinal) {
        if (ordinal < everUsedEnd) {
            rows.gradients().clear(ordinal);
        }
    }

    private @Nullable MemorySegment reserve(long first, int rowCount) {
        if (!rows.tryReserve(rowCount)) {
            return null;
        }
        MemorySegment memory = null;
        try {
            memory = rows.gradients().unpublishedRows(first, rowCount);
            return memory;
        } finally {
            if (memory == null) {
                rows.unreserve(rowCount);
            }
        }
    }
}
