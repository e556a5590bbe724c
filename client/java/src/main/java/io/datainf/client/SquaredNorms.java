package io.datainf.client;

/**
 * |g_k|^2 of each sample over all blocks: the cheapest baseline of a ranking.
 *
 * @param revision revision of the run
 * @param values in the order in which samples were stored
 */
public record SquaredNorms(long revision, InfluenceAnswer.PointScores values) {}
