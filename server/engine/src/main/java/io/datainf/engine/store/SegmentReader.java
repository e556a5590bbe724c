package io.datainf.engine.store;

import io.datainf.engine.memory.Crc32c;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Reads one segment file. One thread. */
final class SegmentReader implements AutoCloseable {

    /** Takes what a segment holds, in order. */
    interface Visitor {

        /** Takes a valid frame; the head is valid during the call only. */
        void frame(FrameFormat.Head head) throws IOException;

        /** What was acknowledged is damaged; the next valid frame, or the end, comes next. */
        void damaged(CorruptSegmentException damage);

        /** Whether the visit goes on. */
        default boolean more() {
            return true;
        }
    }

    private static final long PIECE_BYTES = 1L << 30;
    private static final long WINDOW_BYTES = 1L << 20;

    private final Path file;
    private final RowGeometry geometry;
    private final FileChannel channel;
    private final long length;
    private final Arena arena = Arena.ofAuto();
    private final Crc32c crc = new Crc32c();
    private final MemorySegment fixed = arena.allocate(FrameFormat.FIXED_BYTES);

    private SegmentReader(Path file, RowGeometry geometry, FileChannel channel) throws IOException {
        this.file = file;
        this.geometry = geometry;
        this.channel = channel;
        this.length = channel.size();
    }

    /** Opens a segment; nothing of it is looked at. */
    static SegmentReader open(Path file, RowGeometry geometry) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        boolean opened = false;
        try {
            SegmentReader reader = new SegmentReader(file, geometry, channel);
            opened = true;
            return reader;
        } finally {
            if (!opened) {
                channel.close();
            }
        }
    }

    Path file() {
        return file;
    }

    long length() {
        return length;
    }

    /**
     * Reads the header; its bytes.
     *
     * @throws StoreFormatException if it is damaged or of another version
     */
    MemorySegment readHeader() throws IOException {
        MemorySegment bytes = arena.allocate(SegmentFormat.HEADER_BYTES);
        read(0, bytes);
        SegmentFormat.requireSound(file, bytes);
        return bytes;
    }

    /**
     * Returns the greatest {@code durable bytes} that any frame states: what lies before was acknowledged. Where the chain of
     * frames breaks, looks for frames beyond, so that damage to one frame does not hide the proof that a later one gives.
     */
    long durableBytes() throws IOException {
        long durable = SegmentFormat.HEADER_BYTES;
        long position = nextFrame(SegmentFormat.HEADER_BYTES, length);
        while (position >= 0) {
            durable = Math.max(durable, FrameFormat.durableBytes(fixed));
            position = nextFrame(position + FrameFormat.frameBytes(fixed), length);
        }
        return durable;
    }

    /**
     * Visits frames up to {@code limit} and returns where they end.
     *
     * @param durableBytes what was acknowledged: damage before is skipped and told; at damage beyond, the visit ends
     */
    long visit(long durableBytes, long limit, Visitor visitor) throws IOException {
        return visit(SegmentFormat.HEADER_BYTES, durableBytes, limit, visitor);
    }

    /** The same for the frames that begin at {@code start} or later, where a frame begins. */
    long visit(long start, long durableBytes, long limit, Visitor visitor) throws IOException {
        long position = start;
        while (position < limit && visitor.more()) {
            try (Arena scratch = Arena.ofConfined()) {
                FrameFormat.Head head;
                try {
                    head = readHead(position, limit, scratch);
                    if (position >= durableBytes) {
                        // What was handed on cannot be taken back, so look before.
                        verifyRows(head, scratch);
                    }
                } catch (CorruptSegmentException e) {
                    if (position >= durableBytes) {
                        return position;
                    }
                    visitor.damaged(e);
                    long next = nextFrame(position + FrameFormat.ALIGNMENT, limit);
                    position = next < 0 ? durableBytes : next;
                    continue;
                }
                visitor.frame(head);
                position += head.shape().frameBytes();
            }
        }
        return position;
    }

    /** Returns where the next frame begins that starts at {@code from} or later, or -1; its fixed part is in {@code fixed}. */
    private long nextFrame(long from, long limit) throws IOException {
        long end = Math.min(limit, length);
        if (from + FrameFormat.FIXED_BYTES > end) {
            return -1;
        }
        read(from, fixed);
        if (FrameFormat.isFrameAt(from, fixed, crc)) {
            return from;
        }
        MemorySegment window = arena.allocate(WINDOW_BYTES);
        for (long start = from; start < end; start += WINDOW_BYTES) {
            long bytes = Math.min(WINDOW_BYTES, end - start) / FrameFormat.ALIGNMENT * FrameFormat.ALIGNMENT;
            read(start, window.asSlice(0, bytes));
            for (long offset = 0; offset < bytes; offset += FrameFormat.ALIGNMENT) {
                MemorySegment candidate = window.asSlice(offset, FrameFormat.FIXED_BYTES);
                if (FrameFormat.isFrameAt(start + offset, candidate, crc)) {
                    fixed.copyFrom(candidate);
                    return start + offset;
                }
            }
        }
        return -1;
    }

    private FrameFormat.Head readHead(long position, long limit, Arena scratch) throws IOException {
        requireWithin(position, FrameFormat.FIXED_BYTES, limit);
        read(position, fixed);
        if (!FrameFormat.isFrameAt(position, fixed, crc)) {
            throw FrameFormat.notAFrame(file, position, fixed);
        }
        FrameFormat.Shape shape = FrameFormat.shape(file, position, fixed, geometry);
        requireWithin(position, shape.frameBytes(), limit);
        MemorySegment bytes = scratch.allocate(shape.headBytes());
        read(position, bytes);
        FrameFormat.Head head = new FrameFormat.Head(shape, bytes);
        head.validate(file, crc);
        return head;
    }

    /**
     * Reads row {@code i} of a frame and checks it.
     *
     * @param target at least a row long and outside the heap
     * @throws CorruptSegmentException if it is damaged
     */
    void readRow(FrameFormat.Head head, int i, MemorySegment target) throws IOException {
        long offset = head.position() + head.shape().rowOffset(i);
        MemorySegment row = target.asSlice(0, geometry.rowBytes());
        read(offset, row);
        int computed = crc.of(row, 0, geometry.rowBytes());
        if (computed != head.rowChecksum(i)) {
            throw new CorruptSegmentException(file, offset, Crc32c.hex(head.rowChecksum(i)), Crc32c.hex(computed));
        }
    }

    private void verifyRows(FrameFormat.Head head, Arena scratch) throws IOException {
        if (head.shape().rowCount() > 0) {
            MemorySegment row = scratch.allocate(geometry.rowBytes());
            for (int i = 0; i < head.shape().rowCount(); i++) {
                readRow(head, i, row);
            }
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private void requireWithin(long position, long bytes, long limit) {
        if (bytes > limit - position) {
            throw new CorruptSegmentException(
                    file, position, "a frame of %d bytes".formatted(bytes), "%d bytes".formatted(limit - position));
        }
    }

    private void read(long position, MemorySegment target) throws IOException {
        for (long done = 0; done < target.byteSize(); ) {
            ByteBuffer piece = target.asSlice(done, Math.min(PIECE_BYTES, target.byteSize() - done))
                    .asByteBuffer();
            int count = channel.read(piece, position + done);
            if (count < 0) {
                throw new CorruptSegmentException(
                        file,
                        position + done,
                        "%d more bytes".formatted(target.byteSize() - done),
                        "the end of the file");
            }
            done += count;
        }
    }
}
