package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Rewrites neighbouring segments as one, without the rows that are dead. Ordinals, revisions and batch numbers stay.
 *
 * Steps, each of which may be the last one before a crash:
 *   1. the new segment is written to segment-LAST.dseg.tmp and forced     (recovery removes it)
 *   2. it is renamed to segment-LAST.dseg and the directory is forced      (it replaces all it covers: its header says from
 *      which number; recovery removes those, and makes the index again, whose header is another)
 *   3. the index of the segment that had its name is removed, and its own is written and renamed; if that fails, it goes
 *      without for now
 *   4. the segments that it replaces are removed and the directory is forced
 */
/** Compaction of segments that are not written to any more. One thread, used once. */
final class SegmentCompactor {

    private static final Logger logger = LoggerFactory.getLogger(SegmentCompactor.class);
    private static final int BUFFER_BYTES = 4 << 20;

    private final List<SegmentRecovery.Part> parts;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final StoreFiles files;
    private final CompactionPace pace;
    private final List<Frame> frames = new ArrayList<>();
    private final List<MemorySegment> heads = new ArrayList<>();
    private long fileBytes = SegmentFormat.HEADER_BYTES;
    private SegmentRecovery.@Nullable Part unindexed;

    /** A frame to be written: what is kept of one that exists. */
    @SuppressWarnings("ArrayRecordComponent") // not shared
    private record Frame(int part, FrameFormat.Head whole, int[] kept, FrameFormat.Shape shape, long position) {}

    /** Prepares to compact neighbouring segments, in order, that have indexes. */
    SegmentCompactor(List<SegmentRecovery.Part> parts, RunManifest manifest, StoreFiles files, CompactionPace pace) {
        this.parts = parts;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.files = files;
        this.pace = pace;
    }

    /**
     * Compacts.
     *
     * @param dead says of an ordinal whether its row is to go
     * @return bytes of the new segment
     * @throws CorruptSegmentException if a row that is to stay, or an index, cannot be read; nothing has changed then
     */
    long compact(IntPredicate dead) throws IOException {
        Path target = parts.getLast().entry().file();
        Path temporary = DurableFiles.temporary(target);
        try (Arena arena = Arena.ofConfined()) {
            for (int part = 0; part < parts.size(); part++) {
                plan(part, dead, arena);
            }
            dropEmptyBatches();
            MemorySegment header = arena.allocate(SegmentFormat.HEADER_BYTES);
            SegmentFormat.Header newHeader = header();
            SegmentFormat.encode(newHeader, manifest, geometry, header);
            boolean written = false;
            try {
                write(temporary, header, arena);
                written = true;
            } finally {
                if (!written) {
                    files.delete(temporary);
                }
            }
            files.rename(temporary, target);
            unindexed = new SegmentRecovery.Part(new SegmentCatalog.Entry(target, newHeader, null), fileBytes);
            files.forceDirectory(DurableFiles.parent(target));
            writeIndex(target, header);
            removeReplaced();
            return fileBytes;
        }
    }

    /** The new segment, if it is in place without its index, whether or not {@link #compact} has thrown. */
    SegmentRecovery.@Nullable Part unindexed() {
        return unindexed;
    }

    private void writeIndex(Path target, MemorySegment header) {
        try {
            files.delete(SegmentIndexFormat.fileOf(target));
            SegmentIndexFormat.write(files, target, header, fileBytes, heads);
            unindexed = null;
        } catch (IOException e) {
            logger.warn("{} gets no index now", target, e);
        }
    }

    private void plan(int part, IntPredicate dead, Arena arena) throws IOException {
        SegmentRecovery.Part source = parts.get(part);
        for (FrameFormat.Head whole :
                SegmentCatalog.requireIndexedHeads(source.entry(), source.bytes(), manifest, geometry, arena)) {
            int[] kept = new int[whole.shape().sampleCount()];
            int count = 0;
            for (int i = 0; i < kept.length; i++) {
                if (whole.kind() != FrameFormat.KIND_BATCH || !dead.test(Math.toIntExact(whole.ordinal(i)))) {
                    kept[count++] = i;
                }
            }
            frames.add(new Frame(part, whole, kept, FrameFormat.shape(whole, count), 0));
        }
    }

    /** Leaves out batches without rows, unless they are the last word on their writer's number; sets positions. */
    private void dropEmptyBatches() {
        Map<String, FrameFormat.Head> lastOfWriter = new HashMap<>();
        for (Frame frame : frames) {
            if (frame.whole.kind() == FrameFormat.KIND_BATCH) {
                lastOfWriter.put(frame.whole.writerId(), frame.whole);
            }
        }
        List<Frame> planned = List.copyOf(frames);
        frames.clear();
        for (Frame frame : planned) {
            boolean empty = frame.whole.kind() == FrameFormat.KIND_BATCH && frame.shape.rowCount() == 0;
            if (!empty || frame.whole.equals(lastOfWriter.get(frame.whole.writerId()))) {
                frames.add(new Frame(frame.part, frame.whole, frame.kept, frame.shape, fileBytes));
                fileBytes += frame.shape.frameBytes();
            }
        }
    }

    private SegmentFormat.Header header() {
        SegmentFormat.Header first = parts.getFirst().entry().header();
        long generation = 1;
        for (SegmentRecovery.Part part : parts) {
            SegmentFormat.Compaction before = part.entry().header().compaction();
            generation = Math.max(generation, before == null ? 1 : before.generation() + 1);
        }
        return new SegmentFormat.Header(
                parts.getLast().entry().header().number(),
                first.previousBytes(),
                first.firstOrdinal(),
                first.firstRevision(),
                new SegmentFormat.Compaction(first.firstNumber(), generation, fileBytes, System.currentTimeMillis()));
    }

    private void write(Path temporary, MemorySegment header, Arena arena) throws IOException {
        files.delete(temporary);
        MemorySegment buffer = arena.allocate(Math.max(BUFFER_BYTES, geometry.strideBytes()), FrameFormat.ALIGNMENT);
        List<SegmentReader> readers = new ArrayList<>();
        try (AppendFile target = files.append(temporary)) {
            for (SegmentRecovery.Part part : parts) {
                readers.add(SegmentReader.open(part.entry().file(), geometry));
            }
            append(target, header);
            for (Frame frame : frames) {
                MemorySegment head = arena.allocate(frame.shape.headBytes());
                FrameFormat.Place place =
                        new FrameFormat.Place(frame.position, frame.position, frame.whole.firstOrdinal());
                FrameFormat.encode(frame.whole, frame.kept, frame.shape, place, head);
                heads.add(head);
                append(target, head);
                appendRows(target, frame, readers.get(frame.part), buffer);
            }
            target.force();
        } finally {
            for (SegmentReader reader : readers) {
                reader.close();
            }
        }
    }

    private void appendRows(AppendFile target, Frame frame, SegmentReader reader, MemorySegment buffer)
            throws IOException {
        long stride = geometry.strideBytes();
        long filled = 0;
        buffer.fill((byte) 0);
        for (int i = 0; i < frame.shape.rowCount(); i++) {
            if (filled + stride > buffer.byteSize()) {
                append(target, buffer.asSlice(0, filled));
                filled = 0;
            }
            reader.readRow(frame.whole, frame.kept[i], buffer.asSlice(filled, stride));
            filled += stride;
        }
        append(target, buffer.asSlice(0, filled));
        long padding = frame.shape.frameBytes() - frame.shape.rowOffset(frame.shape.rowCount());
        append(target, MemorySegment.ofArray(new byte[(int) padding]));
    }

    private void append(AppendFile target, MemorySegment bytes) throws IOException {
        pace.take(bytes.byteSize());
        target.append(new ByteBuffer[] {bytes.asByteBuffer()});
    }

    private void removeReplaced() throws IOException {
        for (SegmentRecovery.Part part : parts.subList(0, parts.size() - 1)) {
            files.delete(SegmentIndexFormat.fileOf(part.entry().file()));
            files.delete(part.entry().file());
        }
        if (parts.size() > 1) {
            files.forceDirectory(DurableFiles.parent(parts.getLast().entry().file()));
        }
    }
}
