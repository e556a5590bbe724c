package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The segment files of one run, appended to in groups of records. A group is durable when {@link #write} returns; when it
 * throws, nothing of the group counts, and the file at fault is not written to again.
 *
 * <p>Holds a file open only between the first write and {@link #release}. Threads: one at a time.
 */
public final class RecordLog {

    private static final Logger logger = LoggerFactory.getLogger(RecordLog.class);

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final FrameWriter frames;
    private final StoreOptions options;
    private final StoreEvents events;
    private final Map<String, Long> recoveredBatchSeqs;
    private final List<SegmentRecovery.Part> recoveredParts;
    private final long recoveredRevision;
    private volatile long compactTimeMillis;
    private final Queue<SegmentRecovery.Part> unindexed = new ConcurrentLinkedQueue<>();

    // The current segment; number 0 before the first one.
    private long segmentNumber;
    private long previousBytes;
    private long firstOrdinal;
    private long firstRevision;
    // How much of it counts, and how much of that is forced: the same, or less by a mark.
    private long countedBytes;
    private long forcedBytes;
    private long ordinals;
    private long revision;
    // Set when a write to the current segment failed.
    private boolean abandoned;
    private @Nullable AppendFile file;

    private RecordLog(
            Path directory, RunManifest manifest, StoreOptions options, StoreEvents events, SegmentRecovery recovery)
            throws IOException {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.frames = new FrameWriter(geometry);
        this.options = options;
        this.events = events;
        SegmentRecovery.End end = recovery.recover();
        this.recoveredBatchSeqs = Map.copyOf(recovery.durableBatchSeqs());
        this.recoveredParts = List.copyOf(recovery.parts());
        unindexed.addAll(recovery.unindexed());
        compactTimeMillis = recoveredParts.stream()
                .map(part -> part.entry().header().compaction())
                .filter(Objects::nonNull)
                .mapToLong(SegmentFormat.Compaction::timeMillis)
                .max()
                .orElse(0);
        SegmentFormat.Header segment = end.segment();
        if (segment != null) {
            segmentNumber = segment.number();
            previousBytes = segment.previousBytes();
            firstOrdinal = segment.firstOrdinal();
            firstRevision = segment.firstRevision();
        }
        countedBytes = end.bytes();
        forcedBytes = end.forcedBytes();
        ordinals = end.ordinals();
        revision = end.revision();
        recoveredRevision = revision;
        abandoned = !end.appendable();
        if (!end.proven()) {
            confirmLastGroup();
        }
    }

    /**
     * Opens the log of a run and reads it back, without the rows.
     *
     * @param visitor is handed everything, in order
     * @throws StoreFormatException if a segment is missing, of another version or of another run
     */
    public static RecordLog open(
            Path directory, RunManifest manifest, StoreOptions options, StoreEvents events, LogVisitor visitor)
            throws IOException {
        SegmentRecovery recovery = new SegmentRecovery(directory, manifest, options, events, visitor);
        return new RecordLog(directory, manifest, options, events, recovery);
    }

    /** Forces what was found beyond the proven part: perhaps that never happened, and it is relied upon from now on. */
    private void confirmLastGroup() throws IOException {
        boolean forced = false;
        try {
            AppendFile target = reopen();
            force(target);
            forced = true;
            forcedBytes = countedBytes;
            mark(target);
            release();
        } finally {
            if (!forced) {
                abandon();
            }
        }
    }

    /** Highest durable batch number of each writer when the log was opened. */
    public Map<String, Long> recoveredBatchSeqs() {
        return recoveredBatchSeqs;
    }

    /** Revision of the run when the log was opened. */
    public long recoveredRevision() {
        return recoveredRevision;
    }

    /**
     * Hands on the rows that were in the log when it was opened, without those of segments that cannot be read. May be called from any one thread, also while the log is
     * written to, as long as nothing is compacted.
     */
    public void readRows(StoredRows.Visitor visitor) {
        new RowScan(manifest, recoveredParts).visit(visitor);
    }

    /**
     * Gives an index to segments that have become full and have none. On another thread than writes, one at a time. What fails
     * is made good when the log is next opened.
     */
    public void indexFullSegments() {
        for (SegmentRecovery.Part part = unindexed.poll(); part != null; part = unindexed.poll()) {
            try {
                SegmentIndexer.index(part.entry(), part.bytes(), geometry, options.files());
            } catch (IOException | StoreFormatException e) {
                logger.warn("{} gets no index", part.entry().file(), e);
            }
        }
    }

    /**
     * Returns the segments that are not written to any more, in order. On the thread of {@link #indexFullSegments}, after the
     * rows have been read.
     */
    public List<FullSegment> fullSegments() throws IOException {
        SegmentCatalog catalog = SegmentCatalog.read(directory, manifest, geometry);
        catalog.removeReplaced(options.files());
        List<FullSegment> full = new ArrayList<>();
        for (int i = 0; i + 1 < catalog.entries().size(); i++) {
            SegmentCatalog.Entry entry = catalog.entries().get(i);
            long ordinalEnd = catalog.entries().get(i + 1).header().firstOrdinal();
            boolean sound = entry.headerDamage() == null
                    && ordinalEnd != SegmentCatalog.UNKNOWN
                    && Files.exists(SegmentIndexFormat.fileOf(entry.file()));
            full.add(new FullSegment(new SegmentRecovery.Part(entry, catalog.countedBytes(i)), ordinalEnd, sound));
        }
        return full;
    }

    /**
     * Rewrites neighbouring full segments as one without their dead rows; safe at each step against a crash, and invisible but
     * for the space. On the thread of {@link #indexFullSegments}.
     *
     * @param dead says of an ordinal whether its row is to go
     * @throws CorruptSegmentException if something that is to stay cannot be read; nothing has changed then
     */
    public void compact(List<FullSegment> neighbours, IntPredicate dead, CompactionPace pace) throws IOException {
        List<SegmentRecovery.Part> parts =
                neighbours.stream().map(FullSegment::part).toList();
        long bytesBefore = parts.stream().mapToLong(SegmentRecovery.Part::bytes).sum();
        SegmentCompactor compactor = new SegmentCompactor(parts, manifest, options.files(), pace);
        long bytes;
        try {
            bytes = compactor.compact(dead);
        } finally {
            SegmentRecovery.Part made = compactor.unindexed();
            if (made != null) {
                unindexed.add(made);
            }
        }
        compactTimeMillis = System.currentTimeMillis();
        events.compacted(bytesBefore, bytes);
    }

    /** When the log was last compacted, milliseconds since 1970; 0 if never. From any thread. */
    public long compactTimeMillis() {
        return compactTimeMillis;
    }

    /**
     * Leaves the current segment, if it holds anything, so that it can be compacted.
     *
     * @throws IOException if there is no new one for now; the next write tries again
     */
    public void startNewSegment() throws IOException {
        if (segmentNumber > 0 && forcedBytes > SegmentFormat.HEADER_BYTES) {
            boolean started = false;
            try {
                startSegment();
                started = true;
            } finally {
                if (!started) {
                    // The new one may be there and say how much of this one counts: nothing may follow here. It is
                    // replaced by its like.
                    abandon();
                }
            }
        }
    }

    /**
     * Appends a group of records, in order, and makes it durable, as far as anything is to be.
     *
     * @throws IOException if the group is not durable; it does not count then, and can be written again
     */
    public void write(List<? extends LogRecord> group) throws IOException {
        if (options.durability() == Durability.NONE) {
            return;
        }
        boolean durable = false;
        try (Arena scratch = Arena.ofConfined()) {
            AppendFile target = current();
            long end = countedBytes;
            long nextOrdinal = ordinals;
            List<ByteBuffer> pieces = new ArrayList<>();
            for (LogRecord entry : group) {
                end += frames.add(entry, new FrameFormat.Place(end, forcedBytes, nextOrdinal), scratch, pieces);
                nextOrdinal += entry.rowCount();
            }
            target.append(pieces.toArray(ByteBuffer[]::new));
            events.appended(group.size(), (int) (nextOrdinal - ordinals), end - countedBytes);
            force(target);
            countedBytes = end;
            forcedBytes = end;
            ordinals = nextOrdinal;
            revision = group.getLast().revision();
            durable = true;
            mark(target);
        } finally {
            if (!durable) {
                abandon();
            }
        }
    }

    /** Forces the last mark and closes the file. The next write opens it again. Does not throw: what counts is durable. */
    public void release() {
        AppendFile open = file;
        if (open == null) {
            return;
        }
        try {
            if (forcedBytes < countedBytes) {
                force(open);
                forcedBytes = countedBytes;
            }
            file = null;
            open.close();
        } catch (IOException e) {
            logger.warn("{}: the last mark could not be forced; the samples are durable", directory, e);
            abandon();
        }
    }

    /** Proves the group just forced to a recovery. Not forced itself, and not worth failing for. */
    private void mark(AppendFile target) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment mark = scratch.allocate(FrameFormat.MARK_BYTES, FrameFormat.ALIGNMENT);
            FrameFormat.encodeMark(revision, new FrameFormat.Place(countedBytes, countedBytes, ordinals), mark);
            target.append(new ByteBuffer[] {mark.asByteBuffer()});
            countedBytes += FrameFormat.MARK_BYTES;
        } catch (IOException e) {
            logger.warn("{}: the mark of a group could not be written; the group is durable", directory, e);
            abandon();
        }
    }

    private void force(AppendFile target) throws IOException {
        if (options.durability() == Durability.FSYNC) {
            long start = System.nanoTime();
            target.force();
            events.forced(System.nanoTime() - start);
        }
    }

    private AppendFile current() throws IOException {
        if (abandoned || segmentNumber == 0 || countedBytes >= options.segmentBytes()) {
            return startSegment();
        }
        AppendFile open = file;
        return open != null ? open : reopen();
    }

    private AppendFile reopen() throws IOException {
        AppendFile opened = open(path(segmentNumber));
        file = opened;
        if (opened.length() != countedBytes) {
            throw new IOException("%s has %d bytes: expected %d; another program has changed it"
                    .formatted(path(segmentNumber), opened.length(), countedBytes));
        }
        return opened;
    }

    private AppendFile open(Path segment) throws IOException {
        return options.durability() == Durability.FSYNC
                ? options.files().appendForced(segment)
                : options.files().append(segment);
    }

    private AppendFile startSegment() throws IOException {
        // A segment without a durable frame is replaced rather than followed, so that a full disk does not collect
        // them.
        boolean replace = segmentNumber > 0 && forcedBytes == SegmentFormat.HEADER_BYTES && previousBytes >= 0;
        SegmentFormat.Header header = replace
                ? new SegmentFormat.Header(segmentNumber, previousBytes, firstOrdinal, firstRevision, null)
                : new SegmentFormat.Header(segmentNumber + 1, forcedBytes, ordinals, revision, null);
        AppendFile started = createSegment(header);
        if (!replace && segmentNumber > 0) {
            unindexed.add(currentPart());
        }
        AppendFile finished = file;
        file = started;
        segmentNumber = header.number();
        previousBytes = header.previousBytes();
        firstOrdinal = header.firstOrdinal();
        firstRevision = header.firstRevision();
        countedBytes = SegmentFormat.HEADER_BYTES;
        forcedBytes = SegmentFormat.HEADER_BYTES;
        abandoned = false;
        if (finished != null) {
            finished.close();
        }
        return started;
    }

    private SegmentRecovery.Part currentPart() {
        SegmentFormat.Header header =
                new SegmentFormat.Header(segmentNumber, previousBytes, firstOrdinal, firstRevision, null);
        return new SegmentRecovery.Part(new SegmentCatalog.Entry(path(segmentNumber), header, null), forcedBytes);
    }

    private AppendFile createSegment(SegmentFormat.Header header) throws IOException {
        StoreFiles files = options.files();
        Path target = path(header.number());
        Path temporary = DurableFiles.temporary(target);
        files.delete(temporary);
        AppendFile created = open(temporary);
        boolean published = false;
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment bytes = scratch.allocate(SegmentFormat.HEADER_BYTES);
            SegmentFormat.encode(header, manifest, geometry, bytes);
            created.append(new ByteBuffer[] {bytes.asByteBuffer()});
            created.force();
            DurableFiles.publish(files, temporary, target);
            published = true;
            return created;
        } finally {
            if (!published) {
                created.close();
            }
        }
    }

    /** Leaves the current segment as far as it counts. What lies beyond is void once the next segment exists. */
    private void abandon() {
        events.failed();
        abandoned = true;
        AppendFile failed = file;
        if (failed == null) {
            return;
        }
        file = null;
        try (failed) {
            // Only to give space back and in case the server stops before the next segment exists.
            failed.truncate(countedBytes);
        } catch (IOException e) {
            logger.warn("{}: {} is left at byte {}", directory, SegmentFormat.fileName(segmentNumber), countedBytes, e);
        }
    }

    private Path path(long number) {
        return directory.resolve(SegmentFormat.fileName(number));
    }
}
