package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Reads one segment file. One thread. */
final class SegmentReader implements AutoCloseable {

    private static final long PIECE_BYTES = 1L << 30;
    private static final long SCAN_BYTES = 1L << 20;

    private final Path file;
    private final RowGeometry geometry;
    private final FileChannel channel;
    private final long length;
    private final SegmentFormat.Header header;
    private final Arena arena = Arena.ofAuto();
    private final Crc32c crc = new Crc32c();
    private final MemorySegment fixed = arena.allocate(FrameFormat.FIXED_BYTES);

    private SegmentReader(Path file, RunManifest manifest, RowGeometry geometry, FileChannel channel)
            throws IOException {
        this.file = file;
        this.geometry = geometry;
        this.channel = channel;
        this.length = channel.size();
        MemorySegment bytes = arena.allocate(SegmentFormat.HEADER_BYTES);
        read(0, bytes);
        this.header = SegmentFormat.decode(file, bytes, manifest, geometry);
    }

    /**
     * Opens a segment.
     *
     * @throws StoreFormatException if its header is damaged, of another version, or of another run
     */
    static SegmentReader open(Path file, RunManifest manifest, RowGeometry geometry) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        boolean opened = false;
        try {
            SegmentReader reader = new SegmentReader(file, manifest, geometry, channel);
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

    SegmentFormat.Header header() {
        return header;
    }

    /**
     * Returns the greatest {@code durable bytes} that any frame states: what lies before was acknowledged. Where the chain of
     * frames breaks, looks for frames beyond, so that damage to one frame does not hide the proof that a later one gives.
     */
    long durableBytes() throws IOException {
        long durable = SegmentFormat.HEADER_BYTES;
        long position = SegmentFormat.HEADER_BYTES;
        while (position + FrameFormat.FIXED_BYTES <= length) {
            read(position, fixed);
            if (!FrameFormat.isFrameAt(position, fixed, crc)) {
                return Math.max(durable, durableBytesBeyond(position));
            }
            durable = Math.max(durable, FrameFormat.durableBytes(fixed));
            position += FrameFormat.frameBytes(fixed);
        }
        return durable;
    }

    private long durableBytesBeyond(long brokenPosition) throws IOException {
        long durable = 0;
        MemorySegment window = arena.allocate(SCAN_BYTES);
        for (long start = brokenPosition; start < length; start += SCAN_BYTES) {
            long bytes = Math.min(SCAN_BYTES, length - start) / FrameFormat.ALIGNMENT * FrameFormat.ALIGNMENT;
            read(start, window.asSlice(0, bytes));
            for (long offset = 0; offset < bytes; offset += FrameFormat.ALIGNMENT) {
                MemorySegment candidate = window.asSlice(offset, FrameFormat.FIXED_BYTES);
                if (FrameFormat.isFrameAt(start + offset, candidate, crc)) {
                    durable = Math.max(durable, FrameFormat.durableBytes(candidate));
                }
            }
        }
        return durable;
    }

    /**
     * Reads the head of the frame at {@code position}, which must end by {@code limit}. The head lives in {@code scratch}.
     *
     * @throws CorruptSegmentException if there is no valid head
     */
    FrameFormat.Head readHead(long position, long limit, Arena scratch) throws IOException {
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
        head.validate(file, position, crc);
        return head;
    }

    /**
     * Reads row {@code i} of a frame and checks it.
     *
     * @throws CorruptSegmentException if it is damaged
     */
    void readRow(long position, FrameFormat.Head head, int i, MemorySegment target) throws IOException {
        long offset = position + head.shape().rowOffset(i);
        MemorySegment row = target.asSlice(0, geometry.rowBytes());
        read(offset, row);
        int computed = crc.of(row, 0, geometry.rowBytes());
        if (computed != head.rowChecksum(i)) {
            throw new CorruptSegmentException(file, offset, Crc32c.hex(head.rowChecksum(i)), Crc32c.hex(computed));
        }
    }

    /**
     * Checks all rows of a frame.
     *
     * @throws CorruptSegmentException if one is damaged
     */
    void verifyRows(long position, FrameFormat.Head head, Arena scratch) throws IOException {
        if (head.shape().storedCount() > 0) {
            MemorySegment row = scratch.allocate(geometry.rowBytes());
            for (int i = 0; i < head.shape().storedCount(); i++) {
                readRow(position, head, i, row);
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
