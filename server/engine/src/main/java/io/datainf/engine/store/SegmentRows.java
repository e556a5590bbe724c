package io.datainf.engine.store;

import java.util.Arrays;

/** Where the rows of one segment lie, by ordinal, as far as its frames were looked at. Not safe for concurrent use while it grows. */
final class SegmentRows {

    private static final int FIRST_CAPACITY = 64;

    private final SegmentFormat.Header header;
    private long visitedBytes = SegmentFormat.HEADER_BYTES;
    private int count;
    private int[] ordinals = new int[FIRST_CAPACITY];
    private long[] positions = new long[FIRST_CAPACITY];
    private int[] checksums = new int[FIRST_CAPACITY];

    SegmentRows(SegmentFormat.Header header) {
        this.header = header;
    }

    /** The header of the segment. */
    SegmentFormat.Header header() {
        return header;
    }

    /** Where the last frame that was added ends. */
    long visitedBytes() {
        return visitedBytes;
    }

    /** Rows so far. */
    int count() {
        return count;
    }

    /** Ordinal after the last row so far; 0 if there is none. */
    long ordinalEnd() {
        return count == 0 ? 0 : ordinals[count - 1] + 1L;
    }

    /** Adds the rows of the next frame. */
    void add(FrameFormat.Head head) {
        visitedBytes = head.position() + head.shape().frameBytes();
        int rowCount = head.shape().rowCount();
        if (count + rowCount > ordinals.length) {
            int capacity = Math.max(count + rowCount, count * 2);
            ordinals = Arrays.copyOf(ordinals, capacity);
            positions = Arrays.copyOf(positions, capacity);
            checksums = Arrays.copyOf(checksums, capacity);
        }
        for (int i = 0; i < rowCount; i++) {
            ordinals[count] = Math.toIntExact(head.ordinal(i));
            positions[count] = head.position() + head.shape().rowOffset(i);
            checksums[count] = head.rowChecksum(i);
            count++;
        }
    }

    /** A copy that stays as it is when this one grows. */
    SegmentRows snapshot() {
        SegmentRows copy = new SegmentRows(header);
        copy.visitedBytes = visitedBytes;
        copy.count = count;
        // What is there already never changes; only places behind are filled in.
        copy.ordinals = ordinals;
        copy.positions = positions;
        copy.checksums = checksums;
        return copy;
    }

    /** Returns which row of the segment has this ordinal; negative if none has. */
    int find(int ordinal) {
        return Arrays.binarySearch(ordinals, 0, count, ordinal);
    }

    /** Where the {@code i}-th row begins. */
    long position(int i) {
        return positions[i];
    }

    /** CRC-32C of the {@code i}-th row. */
    int checksum(int i) {
        return checksums[i];
    }
}
