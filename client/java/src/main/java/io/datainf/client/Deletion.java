package io.datainf.client;

/**
 * What a deletion of samples did.
 *
 * @param deletedCount samples deleted
 * @param absentCount ids that the run did not hold
 * @param revision revision of the run after it
 */
public record Deletion(long deletedCount, long absentCount, long revision) {}
