package io.datainf.engine.store;

/** A segment that is not written to any more. Immutable. */
public final class FullSegment {

    private final SegmentRecovery.Part part;
    private final long ordinalEnd;
    private final boolean sound;

    FullSegment(SegmentRecovery.Part part, long ordinalEnd, boolean sound) {
        this.part = part;
        this.ordinalEnd = ordinalEnd;
        this.sound = sound;
    }

    SegmentRecovery.Part part() {
        return part;
    }

    /** Ordinal of the first row that was written to it. */
    public long firstOrdinal() {
        return part.entry().header().firstOrdinal();
    }

    /** Ordinal after the last row that was written to it. */
    public long ordinalEnd() {
        return ordinalEnd;
    }

    /** How many bytes of it count. */
    public long bytes() {
        return part.bytes();
    }

    /** Whether it can be compacted: it has a header and an index. */
    public boolean sound() {
        return sound;
    }
}
