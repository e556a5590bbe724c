package io.datainf.engine.run;

import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The rows of a run by ordinal: squared norms and ids of all, gradients of those for which memory was reserved. Freed when the run and all snapshots have let go.
 *
 * <p>Threads: one appends. Others read rows below a count that they got from a {@link RunState}.
 */
final class RowTable {

    // One id row: the sample's id; the ordinal + 1 of the row that had the id before, 0 if none; CRC-32C of the
    // gradient;
    // the revision at which the row died, or before that was stored; the training step.
    private static final long ID_ROW_BYTES = 32;
    private static final long ID_OFFSET = 0;
    private static final long BEFORE_OFFSET = 8;
    private static final long CHECKSUM_OFFSET = 12;
    private static final long DEATH_OFFSET = 16;
    private static final long STEP_OFFSET = 24;
    private static final int HOLE = -1;

    private final MemoryBudget budget;
    private final GradientMatrix gradients;
    private final SquaredNorms squaredNorms;
    private final OffHeapRows ids = new OffHeapRows(ID_ROW_BYTES);
    private final OrdinalIndex index = new OrdinalIndex(this::sampleId);
    private final AtomicInteger holders = new AtomicInteger(1);
    private final double[] hole;
    private int rowCount;
    private final AtomicInteger reservedRows = new AtomicInteger();

    /** Creates an empty table, held once. */
    RowTable(RunDefinition definition, MemoryBudget budget) {
        this.budget = budget;
        this.gradients = new GradientMatrix(definition.layout(), definition.storedType(), budget.memory());
        this.squaredNorms = new SquaredNorms(definition.layout().blockCount());
        this.hole = new double[definition.layout().blockCount()];
    }

    GradientMatrix gradients() {
        return gradients;
    }

    SquaredNorms squaredNorms() {
        return squaredNorms;
    }

    /** Rows appended so far. Appending thread only. */
    int rowCount() {
        return rowCount;
    }

    /** Reserves memory for so many rows, if there is so much left; returns whether there is. */
    boolean tryReserve(int count) {
        boolean reserved = budget.tryReserve(count * gradients.strideBytes());
        if (reserved) {
            reservedRows.addAndGet(count);
        }
        return reserved;
    }

    /**
     * Reserves memory for rows that can be nowhere else.
     *
     * @return how many of them: all, or none if they may stay in the files
     * @throws MemoryFullException if there is not so much left
     */
    int claim(int count) {
        if (budget.rowsInFiles()) {
            return 0;
        }
        long bytes = count * gradients.strideBytes();
        if (!budget.tryReserve(bytes)) {
            throw new MemoryFullException(bytes, budget.limitBytes());
        }
        reservedRows.addAndGet(count);
        return count;
    }

    /** Gives back the reservations of rows that hold nothing. */
    void unreserve(int count) {
        budget.release(count * gradients.strideBytes());
        reservedRows.addAndGet(-count);
    }

    /** Gives the memory of consecutive rows of one tile back for good; nobody may read them any more. */
    void discard(int firstOrdinal, int count) {
        gradients.discard(firstOrdinal, count);
        unreserve(count);
    }

    /**
     * Appends a row; its gradient was filled into {@link GradientMatrix#unpublishedRows}, or is filled in later, or never.
     *
     * @param checksum CRC-32C of the gradient
     * @param step at which the gradient was taken
     * @param revision at which it is stored
     * @return the newest ordinal of the same id before, or -1
     */
    int append(long id, double[] q, int checksum, long step, long revision) {
        int ordinal = rowCount;
        int before = index.find(id);
        gradients.nextRow();
        gradients.publishRow();
        squaredNorms.append(q);
        MemorySegment idRow = ids.nextRow();
        idRow.set(ValueLayout.JAVA_LONG, ID_OFFSET, id);
        idRow.set(ValueLayout.JAVA_INT, BEFORE_OFFSET, before + 1);
        idRow.set(ValueLayout.JAVA_INT, CHECKSUM_OFFSET, checksum);
        idRow.set(ValueLayout.JAVA_LONG, DEATH_OFFSET, revision);
        idRow.set(ValueLayout.JAVA_LONG, STEP_OFFSET, step);
        ids.publishRow();
        index.put(id, ordinal);
        rowCount = Math.incrementExact(ordinal);
        return before;
    }

    /** Appends an ordinal that has no row: it is dead and has no id. */
    void appendHole() {
        gradients.nextRow();
        gradients.publishRow();
        squaredNorms.append(hole);
        ids.nextRow().set(ValueLayout.JAVA_INT, BEFORE_OFFSET, HOLE);
        ids.publishRow();
        rowCount = Math.incrementExact(rowCount);
    }

    /** Whether an ordinal never had a row here. */
    boolean hole(int ordinal) {
        return ids.row(ordinal).get(ValueLayout.JAVA_INT, BEFORE_OFFSET) == HOLE;
    }

    /** The trainer's id of a row. */
    long sampleId(int ordinal) {
        return ids.row(ordinal).get(ValueLayout.JAVA_LONG, ID_OFFSET);
    }

    /** Notes the revision at which a row died. Appending thread only. */
    void setDeathRevision(int ordinal, long revision) {
        ids.row(ordinal).set(ValueLayout.JAVA_LONG, DEATH_OFFSET, revision);
    }

    /** The revision at which a dead row died; an earlier one, but not before it was stored, if that is not known. */
    long deathRevision(int ordinal) {
        return ids.row(ordinal).get(ValueLayout.JAVA_LONG, DEATH_OFFSET);
    }

    /** Training step of a row; 0 if it was sent without. */
    long step(int ordinal) {
        return ids.row(ordinal).get(ValueLayout.JAVA_LONG, STEP_OFFSET);
    }

    /** CRC-32C of a row's gradient. */
    int checksum(int ordinal) {
        return ids.row(ordinal).get(ValueLayout.JAVA_INT, CHECKSUM_OFFSET);
    }

    /** Newest ordinal of an id, dead or alive, or -1. Appending thread only. */
    int newestOrdinal(long id) {
        return index.find(id);
    }

    /** Newest ordinal of an id among the first {@code rows} rows, or -1. */
    int ordinalOf(long id, int rows) {
        int ordinal = index.find(id);
        while (ordinal >= rows) {
            ordinal = ids.row(ordinal).get(ValueLayout.JAVA_INT, BEFORE_OFFSET) - 1;
        }
        return ordinal;
    }

    /** Keeps the memory until {@link #release}; false if it has been freed already. */
    boolean hold() {
        int before;
        do {
            before = holders.get();
            if (before == 0) {
                return false;
            }
        } while (!holders.compareAndSet(before, before + 1));
        return true;
    }

    /** Lets go; the last holder frees the memory. */
    void release() {
        if (holders.decrementAndGet() == 0) {
            gradients.close();
            squaredNorms.close();
            ids.close();
            unreserve(reservedRows.get());
        }
    }
}
