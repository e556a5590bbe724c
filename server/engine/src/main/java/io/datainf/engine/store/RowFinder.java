package io.datainf.engine.store;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/*
 * Where rows lie is known from the heads of frames: from the index of a full segment, and from the current segment itself as far as it was looked at before. It is kept, 16
 * bytes a row, until compaction replaces the segment. Compaction may come between any two steps: then the file that was opened is not the one listed, or is gone, and all is
 * looked up again.
 */
/** Finds the rows of a run in its segments. Safe for any number of threads, also while the log is written to and compacted. */
public final class RowFinder {

    private static final int ATTEMPTS = 10;

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final RowReaders readers;

    // By number of the segment.
    @GuardedBy("this")
    private Map<Long, SegmentRows> known = new HashMap<>();

    /**
     * Prepares to find rows.
     *
     * @param directory of the run
     * @param readers the threads that read rows
     */
    public RowFinder(Path directory, RunManifest manifest, RowReaders readers) {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.readers = readers;
    }

    /**
     * Opens the files that hold the first {@code rowCount} rows of the log. They stay readable whatever becomes of their names.
     *
     * @throws IOException if they cannot be opened
     * @throws StoreFormatException if a segment is missing, of another version or of another run
     */
    public synchronized RowFiles open(long rowCount) throws IOException {
        for (int attempt = 1; ; attempt++) {
            RowFiles files = new RowFiles(geometry, readers);
            boolean complete = false;
            try {
                complete = open(files, rowCount);
                if (complete) {
                    return files;
                }
            } catch (NoSuchFileException e) {
                if (attempt == ATTEMPTS) {
                    throw e;
                }
            } finally {
                if (!complete) {
                    files.close();
                }
            }
            if (attempt == ATTEMPTS) {
                throw new IOException("%s changes all the time".formatted(directory));
            }
        }
    }

    /** Opens all segments; false if one was replaced meanwhile. */
    @GuardedBy("this")
    private boolean open(RowFiles files, long rowCount) throws IOException {
        SegmentCatalog catalog = SegmentCatalog.read(directory, manifest, geometry);
        Map<Long, SegmentRows> found = new HashMap<>();
        for (int i = 0; i < catalog.entries().size(); i++) {
            SegmentCatalog.Entry entry = catalog.entries().get(i);
            try (SegmentReader reader = SegmentReader.open(entry.file(), geometry)) {
                boolean last = i + 1 == catalog.entries().size();
                long bytes = last ? SegmentCatalog.UNKNOWN : catalog.countedBytes(i);
                SegmentRows rows = known.get(entry.header().number());
                if (rows == null || !rows.header().equals(entry.header())) {
                    rows = new SegmentRows(entry.header());
                }
                update(rows, entry, reader, bytes, rowCount);
                found.put(entry.header().number(), rows);
                if (!files.add(entry, rows.snapshot(), manifest)) {
                    return false;
                }
            }
        }
        known = found;
        return true;
    }

    private void update(SegmentRows rows, SegmentCatalog.Entry entry, SegmentReader reader, long bytes, long rowCount)
            throws IOException {
        if (bytes != SegmentCatalog.UNKNOWN && rows.visitedBytes() == SegmentFormat.HEADER_BYTES) {
            try (Arena arena = Arena.ofConfined()) {
                List<FrameFormat.Head> heads = SegmentCatalog.indexedHeads(entry, bytes, manifest, geometry, arena);
                if (heads != null) {
                    heads.forEach(rows::add);
                    return;
                }
            }
        }
        // What is written to the current segment meanwhile may be there in part: rows that are asked for are whole.
        long limit = bytes == SegmentCatalog.UNKNOWN ? reader.length() : Math.min(bytes, reader.length());
        reader.visit(rows.visitedBytes(), limit, limit, new SegmentReader.Visitor() {

            private boolean more = true;

            @Override
            public void frame(FrameFormat.Head head) {
                // What is being written may fail, and other rows take its place.
                more = bytes != SegmentCatalog.UNKNOWN || head.firstOrdinal() < rowCount;
                if (more) {
                    rows.add(head);
                }
            }

            @Override
            public void damaged(CorruptSegmentException damage) {
                // Recovery has told, or it is being written.
            }

            @Override
            public boolean more() {
                return more && (bytes != SegmentCatalog.UNKNOWN || rows.ordinalEnd() < rowCount);
            }
        });
    }
}
