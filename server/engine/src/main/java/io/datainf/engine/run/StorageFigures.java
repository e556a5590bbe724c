package io.datainf.engine.run;

/**
 * What is held at one moment; rows and bytes are those of open runs.
 *
 * @param runCount runs
 * @param openRunCount those of them that have been asked for, and so opened
 * @param rowCount live rows
 * @param residentCount those of them that are in memory
 * @param damagedCount samples that cannot be read
 * @param memoryBytes bytes of rows in memory, padding and dead rows included
 * @param spareMemoryBytes bytes that rows have let go, kept for a while for others
 * @param memoryBudgetBytes most that may be held
 * @param writable whether the last write was durable
 */
public record StorageFigures(
        long runCount,
        long openRunCount,
        long rowCount,
        long residentCount,
        long damagedCount,
        long memoryBytes,
        long spareMemoryBytes,
        long memoryBudgetBytes,
        boolean writable) {}
