package io.datainf.engine.store;

/**
 * How the store works.
 *
 * @param segmentBytes a segment that has reached this length is followed by a new one
 * @param groupBytes a group commit takes no further batch once it has so many bytes
 * @param opener how segment files are opened
 */
public record StoreOptions(long segmentBytes, long groupBytes, AppendFile.Opener opener) {

    /** What servers use. */
    public static final StoreOptions DEFAULT = new StoreOptions(1L << 30, 64L << 20, AppendFile::open);
}
