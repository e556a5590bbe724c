package io.datainf.sidecar.ingest;

import io.datainf.engine.run.BatchReceipt.RejectedSample;
import java.util.List;

/**
 * What became of one or more batches.
 *
 * @param durableBatchSeq every batch of the writer up to this number is durable
 * @param revision revision of the run that includes them
 * @param replacedCount samples that replaced an earlier one of the same id
 * @param duplicateCount samples that the run held already with equal content
 * @param rejected samples refused
 */
public record BatchAck(
        long durableBatchSeq, long revision, long replacedCount, long duplicateCount, List<RejectedSample> rejected) {}
