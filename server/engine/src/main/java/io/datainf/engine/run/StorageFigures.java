package io.datainf.engine.run;

/**
 * What is held, over all runs, at one moment.
 *
 * @param runCount runs
 * @param rowCount live rows
 * @param residentCount those of them that are in memory
 * @param damagedCount samples that cannot be read
 * @param memoryBytes bytes of rows in memory, padding and dead rows included
 * @param memoryBudgetBytes most that may be held
 * @param writable whether the last write was durable
 */
public record StorageFigures(
        long runCount,
        long rowCount,
        long residentCount,
        long damagedCount,
        long memoryBytes,
        long memoryBudgetBytes,
        boolean writable) {}
