package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
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
    private static final long PIECE_BYTES = 1L << 30;

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final StoreOptions options;
    private final StoreEvents events;
    private final Map<String, Long> recoveredBatchSeqs;
    private final List<SegmentRecovery.Part> recoveredParts;
    private final long recoveredRevision;
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
        this.options = options;
        this.events = events;
        SegmentRecovery.End end = recovery.recover();
        this.recoveredBatchSeqs = Map.copyOf(recovery.durableBatchSeqs());
        this.recoveredParts = List.copyOf(recovery.parts());
        unindexed.addAll(recovery.unindexed());
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
     * Hands on the rows that were in the log when it was opened. May be called from any one thread, also while the log is
     * written to, as long as nothing is compacted.
     */
    public void readRows(StoredRows.Visitor visitor) throws IOException {
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
     * Appends a group of records, in order, and makes it durable.
     *
     * @throws IOException if the group is not durable; it does not count then, and can be written again
     */
    public void write(List<? extends LogRecord> group) throws IOException {
        boolean durable = false;
        try {
            AppendFile target = current();
            long end = countedBytes;
            long nextOrdinal = ordinals;
            for (LogRecord entry : group) {
                end += writeFrame(target, entry, new FrameFormat.Place(end, forcedBytes, nextOrdinal));
                nextOrdinal += entry.rowCount();
            }
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
        AppendFile opened = options.files().append(path(segmentNumber));
        file = opened;
        if (opened.length() != countedBytes) {
            throw new IOException("%s has %d bytes: expected %d; another program has changed it"
                    .formatted(path(segmentNumber), opened.length(), countedBytes));
        }
        return opened;
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
        AppendFile created = files.append(temporary);
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
        AppendFile failed = file;
        if (failed == null) {
            return;
        }
        file = null;
        abandoned = true;
        try (failed) {
            // Only to give space back and in case the server stops before the next segment exists.
            failed.truncate(countedBytes);
        } catch (IOException e) {
            logger.warn("{}: {} is left at byte {}", directory, SegmentFormat.fileName(segmentNumber), countedBytes, e);
        }
    }

    private long writeFrame(AppendFile target, LogRecord entry, FrameFormat.Place place) throws IOException {
        return switch (entry) {
            case BatchRecord batch -> writeBatch(target, batch, place);
            case DeletionRecord deletion -> writeDeletion(target, deletion, place);
        };
    }

    private long writeBatch(AppendFile target, BatchRecord batch, FrameFormat.Place place) throws IOException {
        byte[] writerId = batch.writerId().getBytes(StandardCharsets.UTF_8);
        FrameFormat.Shape shape = FrameFormat.shape(batch, writerId, geometry);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment head = scratch.allocate(shape.headBytes(), FrameFormat.ALIGNMENT);
            FrameFormat.encode(batch, writerId, shape, place, head);
            List<ByteBuffer> pieces = new ArrayList<>();
            addPieces(pieces, head);
            addRows(pieces, batch);
            addPadding(pieces, shape.frameBytes() - shape.rowOffset(batch.stored().length));
            target.append(pieces.toArray(ByteBuffer[]::new));
            return shape.frameBytes();
        }
    }

    private long writeDeletion(AppendFile target, DeletionRecord deletion, FrameFormat.Place place) throws IOException {
        FrameFormat.Shape shape = FrameFormat.shape(deletion, geometry);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment frame = scratch.allocate(shape.frameBytes(), FrameFormat.ALIGNMENT);
            FrameFormat.encode(deletion, shape, place, frame);
            target.append(new ByteBuffer[] {frame.asByteBuffer()});
            return shape.frameBytes();
        }
    }

    private void addRows(List<ByteBuffer> pieces, BatchRecord batch) {
        MemorySegment rows = batch.samples().rows();
        int[] stored = batch.stored();
        long rowBytes = geometry.rowBytes();
        for (int first = 0; first < stored.length; ) {
            int end = first + 1;
            // Rows that lie one after the other, here and in the file, go out as one piece.
            while (geometry.dense() && end < stored.length && stored[end] == stored[end - 1] + 1) {
                end++;
            }
            addPieces(pieces, rows.asSlice(stored[first] * rowBytes, (end - first) * rowBytes));
            addPadding(pieces, geometry.strideBytes() - rowBytes);
            first = end;
        }
    }

    private static void addPadding(List<ByteBuffer> pieces, long bytes) {
        if (bytes > 0) {
            pieces.add(ByteBuffer.allocate((int) bytes));
        }
    }

    private static void addPieces(List<ByteBuffer> pieces, MemorySegment bytes) {
        for (long offset = 0; offset < bytes.byteSize(); offset += PIECE_BYTES) {
            pieces.add(bytes.asSlice(offset, Math.min(PIECE_BYTES, bytes.byteSize() - offset))
                    .asByteBuffer());
        }
    }

    private Path path(long number) {
        return directory.resolve(SegmentFormat.fileName(number));
    }
}
