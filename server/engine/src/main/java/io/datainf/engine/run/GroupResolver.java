package io.datainf.engine.run;

import io.datainf.engine.store.BatchRecord;
import io.datainf.engine.store.DeletionRecord;
import io.datainf.engine.store.SampleColumns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Decides what each batch of a group brings that is new, as if the batches before it were applied already; nothing is applied
 * until the group is durable. Log thread only.
 */
final class GroupResolver {

    private final RunId runId;
    private final RowTable rows;
    private final RunStateBuilder builder;
    private final Runnable awaitRows;
    private final Supplier<RowView> openRows;
    private final long rowBytes;
    private final Map<String, Long> durableBatchSeqs;
    private final Map<String, Long> groupBatchSeqs = new HashMap<>();
    private final Set<Long> groupDeletions = new HashSet<>();
    // The rows that the group stores so far, by position: their id, batch and position in the batch.
    private long[] newIds = new long[64];
    private PendingBatch[] newBatches = new PendingBatch[64];
    private int[] newSamples = new int[64];
    private int newCount;
    private int claimedCount;
    private final OrdinalIndex newIndex = new OrdinalIndex(position -> newIds[position]);
    private long revision;
    private @Nullable RowView view;
    private @Nullable MemorySegment readRow;

    /**
     * Creates a resolver that sees rows and batch numbers as they are when a group begins.
     *
     * @param awaitRows returns when the rows that were recovered are in memory, as far as they are to be
     * @param openRows opens the rows of the newest state
     */
    GroupResolver(
            RunId runId,
            RowTable rows,
            RunStateBuilder builder,
            Map<String, Long> durableBatchSeqs,
            Runnable awaitRows,
            Supplier<RowView> openRows) {
        this.runId = runId;
        this.rows = rows;
        this.builder = builder;
        this.awaitRows = awaitRows;
        this.openRows = openRows;
        this.rowBytes = rows.gradients().rowBytes();
        this.durableBatchSeqs = durableBatchSeqs;
    }

    /** Begins a group at this revision. */
    void begin(long currentRevision) {
        revision = currentRevision;
        groupBatchSeqs.clear();
        groupDeletions.clear();
        newIndex.clear();
        Arrays.fill(newBatches, 0, newCount, null);
        newCount = 0;
    }

    /** Hands over for how many rows of the batch just resolved memory was reserved. */
    int takeClaimed() {
        int count = claimedCount;
        claimedCount = 0;
        return count;
    }

    /** Lets go what the group needed: all of it is resolved. */
    void end() {
        RowView open = view;
        if (open != null) {
            view = null;
            open.close();
        }
    }

    /** Whether this batch is durable already, or comes earlier in the group. */
    boolean repeated(PendingBatch batch) {
        return batch.batchSeq() <= lastBatchSeq(batch);
    }

    /**
     * Returns what to log for a batch that is not {@link #repeated}.
     *
     * @throws BatchOutOfOrderException if it leaves a gap
     * @throws DeletedSampleException if it holds a deleted sample and does not say that this may come back
     * @throws MemoryFullException if its rows can only be in memory and find none
     */
    BatchRecord resolve(PendingBatch batch) {
        long expected = lastBatchSeq(batch) + 1;
        if (batch.batchSeq() != expected) {
            throw new BatchOutOfOrderException(batch.batchSeq(), expected);
        }
        PendingBatch.Content content = batch.content();
        int[] stored = new int[content.accepted().length];
        int storedCount = 0;
        for (int sample : content.accepted()) {
            requireNotDeleted(batch, content.samples().sampleIds()[sample]);
            if (!held(content.samples(), sample)) {
                stored[storedCount++] = sample;
            }
        }
        if (storedCount < stored.length) {
            stored = Arrays.copyOf(stored, storedCount);
        }
        if (batch.place().rows() == null) {
            claimedCount = rows.claim(storedCount);
        }
        for (int sample : stored) {
            add(batch, sample);
        }
        revision += storedCount;
        groupBatchSeqs.put(batch.writer().id(), batch.batchSeq());
        return new BatchRecord(batch.writer().id(), batch.batchSeq(), revision, content.samples(), stored);
    }

    /** Returns what to log for a deletion: its ids that the run holds. A group holds either batches or deletions. */
    DeletionRecord resolve(PendingDeletion deletion) {
        int count = 0;
        long[] held = new long[deletion.sampleIds().length];
        for (long sampleId : deletion.sampleIds()) {
            if (builder.holds(sampleId) && groupDeletions.add(sampleId)) {
                held[count++] = sampleId;
            }
        }
        revision += count;
        return new DeletionRecord(revision, Arrays.copyOf(held, count));
    }

    private long lastBatchSeq(PendingBatch batch) {
        String writerId = batch.writer().id();
        Long inGroup = groupBatchSeqs.get(writerId);
        return inGroup != null ? inGroup : durableBatchSeqs.getOrDefault(writerId, 0L);
    }

    private void requireNotDeleted(PendingBatch batch, long sampleId) {
        if (!batch.allowDeleted() && builder.deleted(sampleId) && newIndex.find(sampleId) < 0) {
            throw new DeletedSampleException(runId, batch.batchSeq(), sampleId);
        }
    }

    /** Whether the run, or the group so far, holds this sample with equal content. */
    private boolean held(SampleColumns samples, int sample) {
        long id = samples.sampleIds()[sample];
        int position = newIndex.find(id);
        if (position >= 0) {
            SampleColumns others = newBatches[position].content().samples();
            return same(samples, sample, others.rows(), newSamples[position] * others.strideBytes());
        }
        int ordinal = rows.newestOrdinal(id);
        if (ordinal < 0 || builder.dead(ordinal) || rows.checksum(ordinal) != samples.checksums()[sample]) {
            return false;
        }
        awaitRows.run();
        return !builder.dead(ordinal) && sameAsStored(samples, sample, ordinal);
    }

    private boolean sameAsStored(SampleColumns samples, int sample, int ordinal) {
        RowView open = view;
        if (open == null) {
            open = openRows.get();
            view = open;
        }
        if (!open.ordinals().get(ordinal)) {
            return same(samples, sample, rows.gradients().row(ordinal), 0);
        }
        try {
            MemorySegment row = readRow;
            if (row == null) {
                row = Arena.ofAuto().allocate(rowBytes, Double.BYTES);
                readRow = row;
            }
            open.readRow(ordinal, row);
            return same(samples, sample, row, 0);
        } catch (UnreadableSamplesException e) {
            return false; // it has left the run, and what came now takes its place
        }
    }

    private boolean same(SampleColumns samples, int sample, MemorySegment others, long otherFrom) {
        long from = sample * samples.strideBytes();
        return MemorySegment.mismatch(samples.rows(), from, from + rowBytes, others, otherFrom, otherFrom + rowBytes)
                < 0;
    }

    private void add(PendingBatch batch, int sample) {
        if (newCount == newIds.length) {
            newIds = Arrays.copyOf(newIds, newCount * 2);
            newBatches = Arrays.copyOf(newBatches, newCount * 2);
            newSamples = Arrays.copyOf(newSamples, newCount * 2);
        }
        long id = batch.content().samples().sampleIds()[sample];
        newIds[newCount] = id;
        newBatches[newCount] = batch;
        newSamples[newCount] = sample;
        newIndex.put(id, newCount);
        newCount++;
    }
}
