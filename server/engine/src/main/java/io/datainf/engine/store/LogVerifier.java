package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads every byte of a run's log that has a meaning, and changes nothing. One thread, used once. */
public final class LogVerifier {

    /** Takes what is found. */
    public interface Visitor {

        /**
         * Takes a row whose checksum is right; {@code row} is valid during the call.
         *
         * @param q stored squared norm of each block, [L]
         */
        void row(Path file, long sampleId, double[] q, MemorySegment row);

        /** Takes a sentence on something that is not as it should be. */
        void finding(String sentence);
    }

    private final Path directory;
    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final Visitor visitor;

    /** Prepares to verify the log of one run. */
    public LogVerifier(Path directory, RunManifest manifest, Visitor visitor) {
        this.directory = directory;
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.visitor = visitor;
    }

    /**
     * Verifies headers, heads, rows and indexes.
     *
     * @throws IOException if the directory cannot be listed; a file that cannot be read is a finding
     */
    public void verify() throws IOException {
        SegmentCatalog catalog;
        try {
            catalog = SegmentCatalog.read(directory, manifest, geometry);
        } catch (StoreFormatException e) {
            visitor.finding(String.valueOf(e.getMessage()));
            return;
        }
        for (int i = 0; i < catalog.entries().size(); i++) {
            SegmentCatalog.Entry entry = catalog.entries().get(i);
            if (entry.headerDamage() != null) {
                visitor.finding(String.valueOf(entry.headerDamage().getMessage()));
            }
            long countedBytes = catalog.countedBytes(i);
            try {
                verifyFrames(entry, countedBytes);
            } catch (IOException e) {
                unreadable(entry.file(), e);
            }
            if (Files.exists(SegmentIndexFormat.fileOf(entry.file()))) {
                verifyIndex(entry, countedBytes);
            }
        }
    }

    private void unreadable(Path file, IOException cause) {
        visitor.finding("%s cannot be read: %s".formatted(file, cause.getMessage()));
    }

    private void verifyFrames(SegmentCatalog.Entry entry, long countedBytes) throws IOException {
        try (Arena arena = Arena.ofConfined();
                SegmentReader reader = SegmentReader.open(entry.file(), geometry)) {
            Frames frames = new Frames(entry.file(), reader, arena.allocate(geometry.rowBytes()));
            if (countedBytes != SegmentCatalog.UNKNOWN) {
                reader.visit(countedBytes, countedBytes, frames);
                return;
            }
            long end = reader.visit(reader.durableBytes(), reader.length(), frames);
            if (end < reader.length()) {
                visitor.finding("%s ends in an unfinished write of %d bytes, which the next start cuts off"
                        .formatted(entry.file(), reader.length() - end));
            }
        }
    }

    private void verifyIndex(SegmentCatalog.Entry entry, long countedBytes) {
        try (Arena arena = Arena.ofConfined()) {
            SegmentIndexFormat.Index index = SegmentIndexFormat.read(entry.file(), arena);
            SegmentIndexFormat.heads(index, geometry);
            boolean ours = entry.header()
                    .equals(SegmentFormat.decode(index.file(), index.segmentHeader(), manifest, geometry));
            if (!ours || (countedBytes != SegmentCatalog.UNKNOWN && countedBytes != index.countedBytes())) {
                visitor.finding(
                        "%s is not of %s as it is, and will be made again".formatted(index.file(), entry.file()));
            }
        } catch (StoreFormatException e) {
            visitor.finding(e.getMessage() + "; the index will be made again");
        } catch (IOException e) {
            unreadable(SegmentIndexFormat.fileOf(entry.file()), e);
        }
    }

    /** Reads the rows of each frame. */
    private final class Frames implements SegmentReader.Visitor {

        private final Path file;
        private final SegmentReader reader;
        private final MemorySegment row;
        private final double[] q = new double[geometry.blockCount()];

        Frames(Path file, SegmentReader reader, MemorySegment row) {
            this.file = file;
            this.reader = reader;
            this.row = row;
        }

        @Override
        public void frame(FrameFormat.Head head) throws IOException {
            for (int i = 0; i < head.shape().rowCount(); i++) {
                String sample = Long.toUnsignedString(head.sampleId(i));
                try {
                    reader.readRow(head, i, row);
                    head.squaredNorms(i, q);
                    visitor.row(file, head.sampleId(i), q, row);
                } catch (CorruptSegmentException e) {
                    visitor.finding("sample %s: %s".formatted(sample, e.getMessage()));
                }
            }
        }

        @Override
        public void damaged(CorruptSegmentException damage) {
            visitor.finding(String.valueOf(damage.getMessage()));
        }
    }
}
