package io.datainf.engine.store;

/**
 * How the store works.
 *
 * @param segmentBytes a segment that has reached this length is followed by a new one
 * @param groupBytes a group commit takes no further batch once it has so many bytes
 * @param durability when a batch counts as durable
 * @param compaction when dead rows leave the files
 * @param files how files are changed
 */
public record StoreOptions(
        long segmentBytes, long groupBytes, Durability durability, CompactionOptions compaction, StoreFiles files) {

    /** What servers use. */
    public static final StoreOptions DEFAULT =
            new StoreOptions(1L << 30, 64L << 20, Durability.FSYNC, CompactionOptions.DEFAULT, StoreFiles.SYSTEM);

    /** The same with another durability and other compaction. */
    public StoreOptions with(Durability otherDurability, CompactionOptions otherCompaction) {
        return new StoreOptions(segmentBytes, groupBytes, otherDurability, otherCompaction, files);
    }
}
