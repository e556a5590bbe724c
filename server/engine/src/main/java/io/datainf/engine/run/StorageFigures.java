package io.datainf.engine.run;

/**
 * What is held, over all runs, at one moment.
 *
 * @param runCount runs
 * @param rowCount live rows in memory
 * @param memoryBytes bytes of rows in memory, padding and dead rows included
 * @param memoryBudgetBytes most that may be held
 */
public record StorageFigures(long runCount, long rowCount, long memoryBytes, long memoryBudgetBytes) {}
