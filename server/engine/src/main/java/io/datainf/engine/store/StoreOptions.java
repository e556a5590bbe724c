package io.datainf.engine.store;

/**
 * How the store works.
 *
 * @param segmentBytes a segment that has reached this length is followed by a new one
 * @param groupBytes a group commit takes no further batch once it has so many bytes
 * @param durability when a batch counts as durable
 * @param files how files are changed
 */
public record StoreOptions(long segmentBytes, long groupBytes, Durability durability, StoreFiles files) {

    /** What servers use. */
    public static final StoreOptions DEFAULT =
            new StoreOptions(1L << 30, 64L << 20, Durability.FSYNC, StoreFiles.SYSTEM);

    /** The same with another durability. */
    public StoreOptions with(Durability other) {
        return new StoreOptions(segmentBytes, groupBytes, other, files);
    }
}
