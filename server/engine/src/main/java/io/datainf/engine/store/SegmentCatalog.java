package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The segments of a run, as its directory lists them: which there are, and how much of each counts. */
final class SegmentCatalog {

    static final long UNKNOWN = -1;

    private static final Logger logger = LoggerFactory.getLogger(SegmentCatalog.class);

    /**
     * One segment.
     *
     * @param file where it is
     * @param header its header; if that is damaged, the copy in the index, or one whose places are {@link #UNKNOWN}
     * @param headerDamage what is wrong with the header in the file, or null
     */
    record Entry(
            Path file,
            SegmentFormat.Header header,
            @Nullable CorruptSegmentException headerDamage) {}

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final List<Entry> entries = new ArrayList<>();
    private final List<Path> leftovers = new ArrayList<>();

    private SegmentCatalog(Path directory, RunManifest manifest, RowGeometry geometry) {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = geometry;
    }

    /**
     * Reads the headers of all segments. Changes nothing.
     *
     * @throws StoreFormatException if a segment is missing, of another version or of another run
     */
    static SegmentCatalog read(Path directory, RunManifest manifest, RowGeometry geometry) throws IOException {
        SegmentCatalog catalog = new SegmentCatalog(directory, manifest, geometry);
        List<Long> numbers = new ArrayList<>();
        for (Path file : DurableFiles.list(directory)) {
            String name = file.getFileName().toString();
            if (name.endsWith(DurableFiles.TEMPORARY_SUFFIX)) {
                catalog.leftovers.add(file);
            } else if (SegmentFormat.numberOf(name) > 0) {
                numbers.add(SegmentFormat.numberOf(name));
            }
        }
        numbers.sort(null);
        catalog.readHeaders(numbers);
        return catalog;
    }

    /** The segments that count, in order. */
    List<Entry> entries() {
        return entries;
    }

    /** Files that a crash left behind: unfinished ones, and segments that a compacted one has replaced. */
    List<Path> leftovers() {
        return leftovers;
    }

    /** Makes good what a compaction failed to remove, also against a loss of power: nobody may take rows for gone that are in there. */
    void removeReplaced(StoreFiles files) throws IOException {
        List<Path> replaced = leftovers.stream()
                .filter(file -> !file.toString().endsWith(DurableFiles.TEMPORARY_SUFFIX))
                .toList();
        if (!replaced.isEmpty()) {
            files.forceDirectory(directory);
            for (Path file : replaced) {
                files.delete(file);
            }
            files.forceDirectory(directory);
        }
    }

    /** How many bytes of a segment count; {@link #UNKNOWN} if as many as are valid. */
    long countedBytes(int i) {
        Entry entry = entries.get(i);
        SegmentFormat.Compaction compaction = entry.header().compaction();
        if (compaction != null) {
            return compaction.fileBytes();
        }
        if (i == entries.size() - 1) {
            return UNKNOWN;
        }
        long stated = entries.get(i + 1).header().previousBytes();
        if (stated != UNKNOWN) {
            return stated;
        }
        try (Arena arena = Arena.ofConfined()) {
            return SegmentIndexFormat.read(entry.file(), arena).countedBytes();
        } catch (StoreFormatException | IOException e) {
            return UNKNOWN;
        }
    }

    /**
     * Returns the heads that the index of a segment holds, or null if it has no index that can be used.
     *
     * @param countedBytes how much of the segment counts
     */
    static @Nullable List<FrameFormat.Head> indexedHeads(
            Entry entry, long countedBytes, RunManifest manifest, RowGeometry geometry, Arena arena) {
        try {
            return requireIndexedHeads(entry, countedBytes, manifest, geometry, arena);
        } catch (StoreFormatException | IOException e) {
            logger.info("reading {} because of its index: {}", entry.file(), e.toString());
            return null;
        }
    }

    /**
     * Returns the heads that the index of a segment holds.
     *
     * @param countedBytes how much of the segment counts
     * @throws StoreFormatException if it has no index that can be used: none, a damaged one, or that of another generation
     */
    static List<FrameFormat.Head> requireIndexedHeads(
            Entry entry, long countedBytes, RunManifest manifest, RowGeometry geometry, Arena arena)
            throws IOException {
        SegmentIndexFormat.Index index = SegmentIndexFormat.read(entry.file(), arena);
        SegmentFormat.Header header = SegmentFormat.decode(index.file(), index.segmentHeader(), manifest, geometry);
        if (!header.equals(entry.header()) || (countedBytes != UNKNOWN && countedBytes != index.countedBytes())) {
            throw new CorruptSegmentException(
                    index.file(),
                    0,
                    "the index of %d bytes of %s".formatted(countedBytes, entry.header()),
                    "that of %d bytes of %s".formatted(index.countedBytes(), header));
        }
        return SegmentIndexFormat.heads(index, geometry);
    }

    private void readHeaders(List<Long> numbers) throws IOException {
        long expected = numbers.isEmpty() ? 0 : numbers.getLast();
        for (long number : numbers.reversed()) {
            Path file = directory.resolve(SegmentFormat.fileName(number));
            if (number < expected || number <= 0) {
                throw missing(expected);
            }
            if (number > expected) {
                leftovers.add(file);
                leftovers.add(SegmentIndexFormat.fileOf(file));
                continue;
            }
            Entry entry = readHeader(file, number);
            entries.addFirst(entry);
            expected = entry.header().firstNumber() - 1;
        }
        if (expected > 0) {
            throw missing(expected);
        }
    }

    private CorruptSegmentException missing(long number) {
        return new CorruptSegmentException(
                directory.resolve(SegmentFormat.fileName(number)), 0, "segment " + number, "no file");
    }

    private Entry readHeader(Path file, long number) {
        Entry entry;
        try (SegmentReader reader = SegmentReader.open(file, geometry)) {
            MemorySegment header = reader.readHeader();
            entry = new Entry(file, SegmentFormat.decode(file, header, manifest, geometry), null);
        } catch (CorruptSegmentException damage) {
            entry = new Entry(file, headerInIndex(file, number), damage);
        } catch (IOException e) {
            CorruptSegmentException damage = CorruptSegmentException.unreadable(file, 0, "a header", e);
            entry = new Entry(file, headerInIndex(file, number), damage);
        }
        if (entry.header().number() != number) {
            throw new ForeignFileException(
                    file, 0, "segment " + number, "segment " + entry.header().number());
        }
        return entry;
    }

    private SegmentFormat.Header headerInIndex(Path file, long number) {
        try (Arena arena = Arena.ofConfined()) {
            SegmentIndexFormat.Index index = SegmentIndexFormat.read(file, arena);
            return SegmentFormat.decode(index.file(), index.segmentHeader(), manifest, geometry);
        } catch (StoreFormatException | IOException e) {
            return new SegmentFormat.Header(number, UNKNOWN, UNKNOWN, UNKNOWN, null);
        }
    }
}
