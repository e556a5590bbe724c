package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
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
 * Reads a run's segments back.
 *
 * How much of a segment counts. All but the last: as many bytes as the header of the next one says; what lies beyond
 * belongs to a write that failed and was reported as failed. The last: everything, as long as it is valid.
 *
 * What is damage and what is an unfinished write. A frame is proven when a later frame's `durable bytes`, or a later segment,
 * says that it was forced. A proven frame that is not valid is damage: the run is refused. Beyond what is proven lies
 * the last group only, which a crash may have left in any state: it is cut at its first invalid frame. A run that was
 * closed in peace ends in a seal, which proves everything before it.
 */
/** Recovery of the log of one run. One thread, used once. */
final class SegmentRecovery {

    private static final Logger logger = LoggerFactory.getLogger(SegmentRecovery.class);

    /**
     * Where the log ends.
     *
     * @param segment the last segment's header, or null if there is no segment
     * @param bytes how much of the last segment counts
     * @param proven whether all of it is known to have been forced
     * @param ordinals rows so far, dead ones included
     * @param revision of the run
     */
    record End(SegmentFormat.@Nullable Header segment, long bytes, boolean proven, long ordinals, long revision) {}

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final StoreEvents events;
    private final RecoveredBatch.Visitor visitor;
    private final Map<String, Long> durableBatchSeqs = new HashMap<>();
    private long ordinals;
    private long revision;
    private boolean proven = true;

    SegmentRecovery(
            Path directory,
            RunManifest manifest,
            RowGeometry geometry,
            StoreEvents events,
            RecoveredBatch.Visitor visitor) {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = geometry;
        this.events = events;
        this.visitor = visitor;
    }

    /**
     * Reads everything, cuts an unfinished end off the last segment, and says where to go on.
     *
     * @throws StoreFormatException if a file is damaged or of another version
     */
    End recover() throws IOException {
        List<SegmentFormat.Header> headers = readHeaders();
        long end = 0;
        for (int i = 0; i < headers.size(); i++) {
            boolean last = i == headers.size() - 1;
            end = recoverSegment(headers.get(i), last ? -1 : headers.get(i + 1).previousBytes());
        }
        return new End(headers.isEmpty() ? null : headers.getLast(), end, proven, ordinals, revision);
    }

    /** Highest durable batch number of each writer. */
    Map<String, Long> durableBatchSeqs() {
        return durableBatchSeqs;
    }

    private List<SegmentFormat.Header> readHeaders() throws IOException {
        List<Long> numbers = new ArrayList<>();
        for (Path file : DurableFiles.list(directory)) {
            String name = file.getFileName().toString();
            if (name.endsWith(DurableFiles.TEMPORARY_SUFFIX)) {
                Files.delete(file);
            } else if (SegmentFormat.numberOf(name) > 0) {
                numbers.add(SegmentFormat.numberOf(name));
            }
        }
        numbers.sort(null);
        List<SegmentFormat.Header> headers = new ArrayList<>();
        for (long number : numbers) {
            long expected = headers.size() + 1L;
            if (number != expected) {
                throw new CorruptSegmentException(path(expected), 0, "segment " + expected, "no file");
            }
            try (SegmentReader reader = SegmentReader.open(path(number), manifest, geometry)) {
                require(reader.file(), 0, "number", number, reader.header().number());
                headers.add(reader.header());
            }
        }
        return headers;
    }

    /** Returns where the segment ends; {@code sealedBytes} is how much of it counts, or -1 if it is the last. */
    private long recoverSegment(SegmentFormat.Header header, long sealedBytes) throws IOException {
        Path file = path(header.number());
        require(file, 0, "first ordinal", ordinals, header.firstOrdinal());
        require(file, 0, "first revision", revision, header.firstRevision());
        try (SegmentReader reader = SegmentReader.open(file, manifest, geometry)) {
            if (sealedBytes >= 0) {
                if (reader.length() < sealedBytes) {
                    throw new CorruptSegmentException(
                            file, reader.length(), sealedBytes + " bytes", "the end of the file");
                }
                return recoverFrames(reader, sealedBytes, sealedBytes);
            }
            long end = recoverFrames(reader, reader.durableBytes(), reader.length());
            if (end < reader.length()) {
                cut(file, end, reader.length() - end);
            }
            return end;
        }
    }

    private long recoverFrames(SegmentReader reader, long durableBytes, long limit) throws IOException {
        long position = SegmentFormat.HEADER_BYTES;
        while (position < limit) {
            try (Arena scratch = Arena.ofConfined()) {
                FrameFormat.Head head;
                try {
                    head = readFrame(reader, position, durableBytes, limit, scratch);
                } catch (CorruptSegmentException e) {
                    if (position < durableBytes) {
                        throw e;
                    }
                    logger.warn("unfinished write: {}", e.getMessage());
                    return position;
                }
                if (!head.seal()) {
                    apply(reader, position, head);
                    proven &= position < durableBytes;
                }
                position += head.shape().frameBytes();
            }
        }
        return position;
    }

    private FrameFormat.Head readFrame(
            SegmentReader reader, long position, long durableBytes, long limit, Arena scratch) throws IOException {
        FrameFormat.Head head = reader.readHead(position, limit, scratch);
        if (position >= durableBytes) {
            // Rows that were handed on cannot be taken back, so look before.
            reader.verifyRows(position, head, scratch);
        }
        return head;
    }

    private void apply(SegmentReader reader, long position, FrameFormat.Head head) throws IOException {
        String writerId = head.writerId();
        int storedCount = head.shape().storedCount();
        require(
                reader.file(),
                position,
                "batch_seq of writer '%s'".formatted(writerId),
                durableBatchSeqs.getOrDefault(writerId, 0L) + 1,
                head.batchSeq());
        require(reader.file(), position, "revision", revision + storedCount, head.revision());
        visitor.visit(new RecoveredBatch(reader, position, head));
        durableBatchSeqs.put(writerId, head.batchSeq());
        revision = head.revision();
        ordinals += storedCount;
    }

    private void cut(Path file, long end, long bytes) throws IOException {
        logger.warn("{}: cutting {} bytes of an unfinished write off at byte {}", file, bytes, end);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(end);
            channel.force(true);
        }
        events.tailCut(bytes);
    }

    private Path path(long number) {
        return directory.resolve(SegmentFormat.fileName(number));
    }

    private static void require(Path file, long position, String what, long expected, long found) {
        if (found != expected) {
            throw new CorruptSegmentException(file, position, "%s %d".formatted(what, expected), Long.toString(found));
        }
    }
}
