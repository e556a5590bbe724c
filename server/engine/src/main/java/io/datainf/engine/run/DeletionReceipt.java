package io.datainf.engine.run;

/**
 * What a durable deletion did.
 *
 * @param deletedCount samples deleted
 * @param absentCount ids that the run did not hold, repeated ones included
 * @param revision revision of the run after it
 */
public record DeletionReceipt(int deletedCount, int absentCount, long revision) {}
