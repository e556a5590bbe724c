package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The segment files of one run, appended to in groups of batches. A group is durable when {@link #write} returns; when it
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

    // The current segment; number 0 before the first one.
    private long segmentNumber;
    private long previousBytes;
    private long firstOrdinal;
    private long firstRevision;
    // How much of it is durable. Everything is said of durable frames only.
    private long durableBytes;
    private long ordinals;
    private long revision;
    // Whether frames follow the last seal.
    private boolean sealDue;
    // Set when a write to the current segment failed.
    private boolean abandoned;
    private @Nullable AppendFile file;

    private RecordLog(
            Path directory,
            RunManifest manifest,
            StoreOptions options,
            StoreEvents events,
            RecoveredBatch.Visitor visitor)
            throws IOException {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.options = options;
        this.events = events;
        SegmentRecovery recovery = new SegmentRecovery(directory, manifest, geometry, events, visitor);
        SegmentRecovery.End end = recovery.recover();
        this.recoveredBatchSeqs = Map.copyOf(recovery.durableBatchSeqs());
        if (end.segment() != null) {
            segmentNumber = end.segment().number();
            previousBytes = end.segment().previousBytes();
            firstOrdinal = end.segment().firstOrdinal();
            firstRevision = end.segment().firstRevision();
        }
        durableBytes = end.bytes();
        ordinals = end.ordinals();
        revision = end.revision();
        sealDue = !end.proven();
    }

    /**
     * Opens the log of a run and reads it back.
     *
     * @param visitor is handed every batch, in order
     * @throws StoreFormatException if a file is damaged or of another version
     */
    public static RecordLog open(
            Path directory,
            RunManifest manifest,
            StoreOptions options,
            StoreEvents events,
            RecoveredBatch.Visitor visitor)
            throws IOException {
        RecordLog log = new RecordLog(directory, manifest, options, events, visitor);
        if (log.sealDue) {
            log.confirmLastGroup();
        }
        return log;
    }

    /** Forces what was found beyond the proven part: perhaps that never happened, and it is relied upon from now on. */
    private void confirmLastGroup() throws IOException {
        boolean forced = false;
        try {
            force(reopen());
            forced = true;
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

    /**
     * Appends a group of batches, in order, and makes it durable.
     *
     * @throws IOException if the group is not durable; it does not count then, and can be written again
     */
    public void write(List<BatchRecord> group) throws IOException {
        boolean durable = false;
        try {
            AppendFile target = abandoned || segmentNumber == 0 || durableBytes >= options.segmentBytes()
                    ? startSegment()
                    : file != null ? file : reopen();
            long end = durableBytes;
            int storedCount = 0;
            for (BatchRecord batch : group) {
                end += writeFrame(target, batch, end);
                storedCount += batch.stored().length;
            }
            events.appended(group.size(), storedCount, end - durableBytes);
            force(target);
            durableBytes = end;
            ordinals += storedCount;
            revision = group.getLast().revision();
            sealDue = true;
            durable = true;
        } finally {
            if (!durable) {
                abandon();
            }
        }
    }

    /** Seals what was written and closes the file. The next write opens it again. Does not throw: what counts is durable. */
    public void release() {
        AppendFile open = file;
        if (open == null) {
            return;
        }
        try {
            if (sealDue) {
                seal(open);
            }
            file = null;
            open.close();
        } catch (IOException e) {
            logger.warn("{}: the log could not be sealed; its samples are durable", directory, e);
            abandon();
        }
    }

    private void seal(AppendFile target) throws IOException {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment seal = scratch.allocate(FrameFormat.sealBytes(), FrameFormat.ALIGNMENT);
            FrameFormat.encodeSeal(revision, durableBytes, seal);
            target.append(new ByteBuffer[] {seal.asByteBuffer()});
            force(target);
            durableBytes += seal.byteSize();
            sealDue = false;
        }
    }

    private void force(AppendFile target) throws IOException {
        long start = System.nanoTime();
        target.force();
        events.forced(System.nanoTime() - start);
    }

    private AppendFile reopen() throws IOException {
        AppendFile opened = options.opener().open(path(segmentNumber));
        file = opened;
        if (opened.length() != durableBytes) {
            throw new IOException("%s has %d bytes: expected %d; another program has changed it"
                    .formatted(path(segmentNumber), opened.length(), durableBytes));
        }
        return opened;
    }

    private AppendFile startSegment() throws IOException {
        // A segment without a durable frame is replaced rather than followed, so that a full disk does not collect
        // them.
        boolean replace = segmentNumber > 0 && durableBytes == SegmentFormat.HEADER_BYTES;
        SegmentFormat.Header header = replace
                ? new SegmentFormat.Header(segmentNumber, previousBytes, firstOrdinal, firstRevision)
                : new SegmentFormat.Header(segmentNumber + 1, durableBytes, ordinals, revision);
        AppendFile started = createSegment(header);
        AppendFile finished = file;
        file = started;
        segmentNumber = header.number();
        previousBytes = header.previousBytes();
        firstOrdinal = header.firstOrdinal();
        firstRevision = header.firstRevision();
        durableBytes = SegmentFormat.HEADER_BYTES;
        abandoned = false;
        sealDue = false;
        if (finished != null) {
            finished.close();
        }
        return started;
    }

    private AppendFile createSegment(SegmentFormat.Header header) throws IOException {
        Path target = path(header.number());
        Path temporary = DurableFiles.temporary(target);
        Files.deleteIfExists(temporary);
        AppendFile created = options.opener().open(temporary);
        boolean published = false;
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment bytes = scratch.allocate(SegmentFormat.HEADER_BYTES);
            SegmentFormat.encode(header, manifest, geometry, bytes);
            created.append(new ByteBuffer[] {bytes.asByteBuffer()});
            created.force();
            DurableFiles.publish(temporary, target);
            published = true;
            return created;
        } finally {
            if (!published) {
                created.close();
            }
        }
    }

    /** Leaves the current segment as far as it is durable. What lies beyond is void once the next segment exists. */
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
            failed.truncate(durableBytes);
        } catch (IOException e) {
            logger.warn("{}: {} is left at byte {}", directory, SegmentFormat.fileName(segmentNumber), durableBytes, e);
        }
    }

    private long writeFrame(AppendFile target, BatchRecord batch, long position) throws IOException {
        byte[] writerId = batch.writerId().getBytes(StandardCharsets.UTF_8);
        try (Arena scratch = Arena.ofConfined()) {
            long headBytes = FrameFormat.headBytes(batch, writerId, geometry);
            MemorySegment head = scratch.allocate(headBytes, FrameFormat.ALIGNMENT);
            long frameBytes = FrameFormat.encodeBatch(batch, writerId, geometry, position, durableBytes, head);
            List<ByteBuffer> pieces = new ArrayList<>();
            addPieces(pieces, head);
            addRows(pieces, batch);
            addPadding(pieces, frameBytes - headBytes - batch.stored().length * geometry.strideBytes());
            target.append(pieces.toArray(ByteBuffer[]::new));
            return frameBytes;
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
