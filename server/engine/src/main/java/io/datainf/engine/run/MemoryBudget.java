package io.datainf.engine.run;

import io.datainf.engine.memory.RowMemory;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Bytes of rows held over all runs, their limit, and whether there may be rows beyond it. What no rows take of it may be spare {@link RowMemory}. Safe for any number of threads.
 */
final class MemoryBudget {

    private final long limitBytes;
    private final boolean rowsInFiles;
    private final AtomicLong reservedBytes = new AtomicLong();
    private final RowMemory memory;

    /**
     * Creates a budget.
     *
     * @param rowsInFiles whether rows that find no memory stay in the files; otherwise they cannot be taken
     */
    MemoryBudget(long limitBytes, boolean rowsInFiles) {
        if (limitBytes < 0) {
            throw new IllegalArgumentException("memoryBudgetBytes is %d: expected 0 or more".formatted(limitBytes));
        }
        this.limitBytes = limitBytes;
        this.rowsInFiles = rowsInFiles;
        this.memory = new RowMemory(() -> limitBytes - reservedBytes.get());
    }

    /** Reserves memory, if there is so much left; returns whether there is. */
    boolean tryReserve(long bytes) {
        while (true) {
            long before = reservedBytes.get();
            if (bytes > limitBytes - before) {
                return false;
            }
            if (reservedBytes.compareAndSet(before, before + bytes)) {
                memory.shrinkToLimit();
                return true;
            }
        }
    }

    /** Where rows for which memory was reserved lie. */
    RowMemory memory() {
        return memory;
    }

    void release(long bytes) {
        reservedBytes.addAndGet(-bytes);
    }

    long reservedBytes() {
        return reservedBytes.get();
    }

    long limitBytes() {
        return limitBytes;
    }

    boolean rowsInFiles() {
        return rowsInFiles;
    }
}
