package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Reads a run's log back, without its rows.
 *
 * How much of a segment counts. All but the last: as many bytes as the header of the next one says; what lies beyond
 * belongs to a write that failed and was reported as failed. The last: everything, as long as it is valid.
 *
 * What is damage and what is an unfinished write. A frame is proven when a later frame's `durable bytes`, or a later segment,
 * says that it was forced. A proven frame that is not valid is damage: its samples are lost, told and counted, and reading
 * goes on behind it. Beyond what is proven lies the last group only, which a crash may have left in any state: it is cut
 * at its first invalid frame. The mark behind each group proves it as soon as the operating system has written it down.
 */
/** Recovery of the log of one run. One thread, used once. */
final class SegmentRecovery {

    private static final Logger logger = LoggerFactory.getLogger(SegmentRecovery.class);

    /** A segment and how much of it counts. */
    record Part(SegmentCatalog.Entry entry, long bytes) {}

    /**
     * Where the log ends.
     *
     * @param segment the last segment's header, or null if there is no segment
     * @param bytes how much of the last segment counts
     * @param forcedBytes how much of that is known to have been forced
     * @param proven whether nothing follows that but a mark
     * @param appendable whether the last segment may be written to
     * @param ordinals rows so far, dead ones included
     * @param revision of the run
     */
    record End(
            SegmentFormat.@Nullable Header segment,
            long bytes,
            long forcedBytes,
            boolean proven,
            boolean appendable,
            long ordinals,
            long revision) {}

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final StoreOptions options;
    private final StoreEvents events;
    private final LogVisitor visitor;
    private final Map<String, Long> durableBatchSeqs = new HashMap<>();
    private final List<Part> parts = new ArrayList<>();
    private final List<Part> unindexed = new ArrayList<>();
    private long ordinals;
    private long revision;
    // Whether anything was damaged so far, and since the last valid frame.
    private boolean damagedBefore;
    private boolean damagedHere;

    SegmentRecovery(
            Path directory, RunManifest manifest, StoreOptions options, StoreEvents events, LogVisitor visitor) {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.options = options;
        this.events = events;
        this.visitor = visitor;
    }

    /**
     * Reads everything but rows, cuts an unfinished end off the last segment, and says where to go on.
     *
     * @throws StoreFormatException if a segment is missing, of another version or of another run
     */
    End recover() throws IOException {
        SegmentCatalog catalog = SegmentCatalog.read(directory, manifest, geometry);
        for (Path leftover : catalog.leftovers()) {
            options.files().delete(leftover);
        }
        End end = new End(null, 0, 0, true, true, 0, 0);
        for (int i = 0; i < catalog.entries().size(); i++) {
            end = recover(catalog, i);
        }
        return end;
    }

    /** Highest durable batch number of each writer. */
    Map<String, Long> durableBatchSeqs() {
        return durableBatchSeqs;
    }

    /** The segments of the log. */
    List<Part> parts() {
        return parts;
    }

    /** Those that are not written to any more and have no index. */
    List<Part> unindexed() {
        return unindexed;
    }

    private End recover(SegmentCatalog catalog, int i) throws IOException {
        SegmentCatalog.Entry entry = catalog.entries().get(i);
        SegmentFormat.Header header = entry.header();
        boolean last = i == catalog.entries().size() - 1;
        boolean compacted = header.compaction() != null;
        if (entry.headerDamage() != null) {
            boolean unclear = damagedHere || header.firstOrdinal() == SegmentCatalog.UNKNOWN;
            damaged(entry.headerDamage());
            damagedHere = unclear;
        }
        begin(entry, i == 0 ? null : catalog.entries().get(i - 1).header());
        long countedBytes = catalog.countedBytes(i);
        Frames frames = new Frames(entry.file(), compacted);
        if (!last || compacted) {
            parts.add(readSealed(entry, countedBytes, frames));
            countedBytes = parts.getLast().bytes();
            return new End(header, countedBytes, countedBytes, true, false, ordinals, revision);
        }
        try (SegmentReader reader = SegmentReader.open(entry.file(), geometry)) {
            long durable = reader.durableBytes();
            long end = reader.visit(durable, reader.length(), frames);
            if (end < reader.length()) {
                cut(entry.file(), end, reader.length() - end);
            }
            parts.add(new Part(entry, end));
            boolean proven = durable == end || frames.markEnd == end;
            return new End(header, end, durable, proven, entry.headerDamage() == null, ordinals, revision);
        }
    }

    private Part readSealed(SegmentCatalog.Entry entry, long countedBytes, Frames frames) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            List<FrameFormat.Head> heads = SegmentCatalog.indexedHeads(entry, countedBytes, manifest, geometry, arena);
            if (heads != null) {
                heads.forEach(frames::frame);
                return new Part(entry, countedBytes);
            }
        }
        try (SegmentReader reader = SegmentReader.open(entry.file(), geometry)) {
            long bytes = countedBytes;
            if (bytes == SegmentCatalog.UNKNOWN) {
                bytes = reader.visit(reader.durableBytes(), reader.length(), frames);
            } else {
                reader.visit(bytes, bytes, frames);
            }
            Part part = new Part(entry, bytes);
            if (entry.headerDamage() == null) {
                unindexed.add(part);
            }
            return part;
        }
    }

    /** Compares where a segment says it begins with where the ones before have ended. */
    private void begin(SegmentCatalog.Entry entry, SegmentFormat.@Nullable Header previous) {
        SegmentFormat.Header header = entry.header();
        if (header.firstOrdinal() == SegmentCatalog.UNKNOWN) {
            return;
        }
        boolean compacted = previous != null && previous.compaction() != null;
        if (!damagedHere && !compacted) {
            require(entry.file(), 0, "first ordinal", ordinals, header.firstOrdinal());
            require(entry.file(), 0, "first revision", revision, header.firstRevision());
        }
        jumpTo(entry.file(), 0, header.firstOrdinal());
        revision = header.firstRevision();
    }

    private void jumpTo(Path file, long position, long ordinal) {
        if (ordinal < ordinals) {
            require(file, position, "an ordinal from", ordinals, ordinal);
        }
        if (ordinal > ordinals) {
            visitor.missing(ordinal, damagedHere);
            ordinals = ordinal;
        }
        damagedHere = false;
    }

    private void damaged(CorruptSegmentException damage) {
        logger.error("damaged: {}", damage.getMessage());
        events.damaged();
        damagedBefore = true;
        damagedHere = true;
    }

    /** Applies the frames of one segment. */
    private final class Frames implements SegmentReader.Visitor {

        private final Path file;
        private final boolean compacted;
        private long markEnd;

        Frames(Path file, boolean compacted) {
            this.file = file;
            this.compacted = compacted;
        }

        @Override
        public void damaged(CorruptSegmentException damage) {
            SegmentRecovery.this.damaged(damage);
        }

        @Override
        public void frame(FrameFormat.Head head) {
            long steps = head.shape().sampleCount();
            if (!compacted && !damagedHere) {
                require(file, head.position(), "first ordinal", ordinals, head.firstOrdinal());
                require(file, head.position(), "revision", revision + steps, head.revision());
            }
            jumpTo(file, head.position(), head.firstOrdinal());
            switch (head.kind()) {
                case FrameFormat.KIND_BATCH -> batch(head);
                case FrameFormat.KIND_DELETION -> visitor.deletion(head.revision(), sampleIds(head));
                default -> markEnd = head.position() + FrameFormat.MARK_BYTES;
            }
            revision = head.revision();
        }

        private void batch(FrameFormat.Head head) {
            String writerId = head.writerId();
            long before = durableBatchSeqs.getOrDefault(writerId, 0L);
            if (head.batchSeq() <= before || (!compacted && !damagedBefore && head.batchSeq() != before + 1)) {
                require(
                        file,
                        head.position(),
                        "batch_seq of writer '%s'".formatted(writerId),
                        before + 1,
                        head.batchSeq());
            }
            visitor.batch(new RecoveredBatch(head));
            durableBatchSeqs.put(writerId, head.batchSeq());
            int rows = head.shape().rowCount();
            if (rows > 0) {
                ordinals = head.ordinal(rows - 1) + 1;
            }
        }

        private long[] sampleIds(FrameFormat.Head head) {
            long[] ids = new long[head.shape().sampleCount()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = head.sampleId(i);
            }
            return ids;
        }
    }

    private void cut(Path file, long end, long bytes) throws IOException {
        logger.warn("{}: cutting {} bytes of an unfinished write off at byte {}", file, bytes, end);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(end);
            channel.force(true);
        }
        events.tailCut(bytes);
    }

    private static void require(Path file, long position, String what, long expected, long found) {
        if (found != expected) {
            throw new ForeignFileException(file, position, "%s %d".formatted(what, expected), Long.toString(found));
        }
    }
}
