package io.datainf.engine.store;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The files of a run, open to read rows from. What is read passes the page cache by where the file system lets it: rows that are read once should not drive out
 * what is used again, and large direct requests are faster.
 *
 * <p>Safe for any number of threads once opened. Closed when nothing is read any more.
 */
public final class RowFiles implements AutoCloseable {

    private final RowGeometry geometry;
    private final RowReaders readers;
    private final List<OpenSegment> segments = new ArrayList<>();

    /** A segment and where its rows lie. */
    record OpenSegment(Path file, FileChannel channel, SegmentRows rows) {}

    RowFiles(RowGeometry geometry, RowReaders readers) {
        this.geometry = geometry;
        this.readers = readers;
    }

    /** Opens the next segment; false if its header is not the one listed, because compaction came between. */
    boolean add(SegmentCatalog.Entry entry, SegmentRows rows, RunManifest manifest) throws IOException {
        FileChannel channel = openToRead(entry.file());
        segments.add(new OpenSegment(entry.file(), channel, rows));
        if (entry.headerDamage() != null) {
            return true; // never compacted
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(DirectIo.BLOCK_BYTES, DirectIo.BLOCK_BYTES);
            channel.read(header.asByteBuffer(), 0);
            SegmentFormat.requireSound(entry.file(), header.asSlice(0, SegmentFormat.HEADER_BYTES));
            return SegmentFormat.decode(entry.file(), header.asSlice(0, SegmentFormat.HEADER_BYTES), manifest, geometry)
                    .equals(entry.header());
        }
    }

    private static FileChannel openToRead(Path file) throws IOException {
        FileChannel direct = DirectIo.open(file, StandardOpenOption.READ);
        return direct != null ? direct : FileChannel.open(file, StandardOpenOption.READ);
    }

    /**
     * Begins to read rows, in the order of the calls. The stage fails with {@link UnreadableRowsException} once all others are read.
     *
     * @param ordinals ascending
     * @param targets where each row goes, a row long and outside the heap
     */
    public CompletableFuture<Void> read(int[] ordinals, MemorySegment[] targets) {
        RowRequest request = new RowRequest(geometry.rowBytes(), ordinals.length);
        RowRequest.Piece piece = null;
        for (int i = 0; i < ordinals.length; i++) {
            OpenSegment segment = null;
            int row = -1;
            // The newest file that has the ordinal: what a failed write left in an older one does not count.
            for (int s = segments.size() - 1; s >= 0 && row < 0; s--) {
                segment = segments.get(s);
                row = segment.rows().find(ordinals[i]);
            }
            if (segment == null || row < 0) {
                request.missing(ordinals[i]);
            } else if (piece == null || !piece.add(segment, row, ordinals[i], targets[i])) {
                piece = request.newPiece(segment);
                piece.add(segment, row, ordinals[i], targets[i]);
            }
        }
        return request.start(readers);
    }

    @Override
    public void close() {
        for (OpenSegment segment : segments) {
            try {
                segment.channel().close();
            } catch (IOException e) {
                throw new UncheckedIOException(e); // a file that was only read
            }
        }
    }
}
