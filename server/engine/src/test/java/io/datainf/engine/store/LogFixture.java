package io.datainf.engine.store;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.Crc32c;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;

/** Logs, batches for them, and what recovery makes of them. */
final class LogFixture {

    /** 16 floats: rows of 64 bytes, so that frames have no padding. */
    static final BlockLayout LAYOUT = BlockLayout.of(List.of(new Block("a", 2, 6), new Block("b", 1, 4)));

    static final RunManifest MANIFEST = manifest(LAYOUT, ElementType.F32);

    private LogFixture() {}

    static RunManifest manifest(BlockLayout layout, ElementType type) {
        return new RunManifest(
                "run", new UUID(1, 2), Instant.ofEpochSecond(3, 4), layout, type, 0.1, "step-1", Map.of("k", "v"));
    }

    /** One stored sample as recovery hands it on. */
    record Stored(long revision, long id, List<Double> q, List<Byte> row) {}

    /**
     * A recovered log with what it held.
     *
     * @param samples stored samples; a row that cannot be read is empty
     * @param deletedIds ids in deletion records
     * @param lostCount ordinals lost by damage
     * @param damageCount damages told, those of rows included
     */
    record Recovered(
            RecordLog log,
            List<Stored> samples,
            List<Long> deletedIds,
            List<Long> tailsCut,
            long lostCount,
            int damageCount) {}

    static Recovered open(Path directory, StoreOptions options) throws IOException {
        return open(directory, MANIFEST, options);
    }

    static Recovered open(Path directory, RunManifest manifest, StoreOptions options) throws IOException {
        Collector collector = new Collector(RowGeometry.of(manifest.layout(), manifest.storedType()));
        RecordLog log = RecordLog.open(directory, manifest, options, collector, collector);
        log.readRows(collector::rows);
        return new Recovered(
                log,
                List.copyOf(collector.samples.values()),
                collector.deletedIds,
                collector.tailsCut,
                collector.lostCount,
                collector.damageCount);
    }

    private static final class Collector implements LogVisitor, StoreEvents {

        private final RowGeometry geometry;
        private final SortedMap<Long, Stored> samples = new TreeMap<>();
        private final List<Long> deletedIds = new ArrayList<>();
        private final List<Long> tailsCut = new ArrayList<>();
        private long ordinalEnd;
        private long lostCount;
        private int damageCount;

        Collector(RowGeometry geometry) {
            this.geometry = geometry;
        }

        @Override
        public void batch(RecoveredBatch batch) {
            double[] q = new double[geometry.blockCount()];
            for (int i = 0; i < batch.storedCount(); i++) {
                batch.squaredNorms(i, q);
                Stored unread = stored(batch.revision(), batch.sampleId(i), q, MemorySegment.ofArray(new byte[0]));
                ordinalEnd = batch.ordinal(i) + 1;
                samples.put(batch.ordinal(i), unread);
            }
        }

        @Override
        public void deletion(long revision, long[] sampleIds) {
            Arrays.stream(sampleIds).forEach(deletedIds::add);
        }

        @Override
        public void missing(long newEnd, boolean damaged) {
            lostCount += damaged ? newEnd - ordinalEnd : 0;
            ordinalEnd = newEnd;
        }

        @Override
        public void tailCut(long bytes) {
            tailsCut.add(bytes);
        }

        @Override
        public void damaged() {
            damageCount++;
        }

        void rows(StoredRows rows) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment row = arena.allocate(geometry.rowBytes());
                for (int i = 0; i < rows.rowCount(); i++) {
                    Stored sample = Objects.requireNonNull(samples.get(rows.ordinal(i)));
                    try {
                        rows.read(i, row);
                        samples.put(rows.ordinal(i), new Stored(sample.revision, sample.id, sample.q, bytes(row)));
                    } catch (CorruptSegmentException | IOException e) {
                        damageCount++;
                    }
                }
            }
        }
    }

    /** What a batch should come back as. */
    static List<Stored> expected(RunManifest manifest, BatchRecord batch) {
        RowGeometry geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        List<Stored> expected = new ArrayList<>();
        for (int sample : batch.stored()) {
            double[] q = new double[geometry.blockCount()];
            System.arraycopy(batch.samples().squaredNorms(), sample * q.length, q, 0, q.length);
            MemorySegment row = batch.samples().rows().asSlice(sample * geometry.rowBytes(), geometry.rowBytes());
            expected.add(stored(batch.revision(), batch.samples().sampleIds()[sample], q, row));
        }
        return expected;
    }

    private static Stored stored(long revision, long id, double[] q, MemorySegment row) {
        List<Double> norms = new ArrayList<>();
        for (double value : q) {
            norms.add(value);
        }
        return new Stored(revision, id, norms, bytes(row));
    }

    private static List<Byte> bytes(MemorySegment row) {
        List<Byte> bytes = new ArrayList<>();
        for (byte value : row.toArray(ValueLayout.JAVA_BYTE)) {
            bytes.add(value);
        }
        return bytes;
    }

    /** A batch whose bytes follow from {@code seed}; all samples are stored but those at multiples of {@code skipEvery}. */
    static BatchRecord batch(
            RunManifest manifest,
            String writerId,
            long batchSeq,
            long revisionBefore,
            int count,
            int skipEvery,
            int seed) {
        RowGeometry geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        long[] ids = new long[count];
        long[] steps = new long[seed % 2 == 0 ? count : 0];
        double[] q = new double[count * geometry.blockCount()];
        MemorySegment rows = Arena.ofAuto().allocate(count * geometry.rowBytes());
        for (long i = 0; i < rows.byteSize(); i++) {
            rows.set(ValueLayout.JAVA_BYTE, i, (byte) (seed * 31L + i * 7));
        }
        List<Integer> stored = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ids[i] = seed * 1000L - i;
            if (steps.length > 0) {
                steps[i] = -i;
            }
            if (skipEvery == 0 || i % skipEvery != 0) {
                stored.add(i);
            }
        }
        for (int i = 0; i < q.length; i++) {
            q[i] = seed + i / 8.0;
        }
        int[] checksums = new int[count];
        for (int i = 0; i < count; i++) {
            checksums[i] = new Crc32c().of(rows, i * geometry.rowBytes(), geometry.rowBytes());
        }
        SampleColumns samples = new SampleColumns(ids, steps, rows, geometry.rowBytes(), q, checksums);
        return new BatchRecord(
                writerId,
                batchSeq,
                revisionBefore + stored.size(),
                samples,
                stored.stream().mapToInt(Integer::intValue).toArray());
    }

    /** Files of a directory, ascending. */
    static List<Path> files(Path directory) throws IOException {
        return DurableFiles.list(directory);
    }

    /** Copies the files of a directory into another one, which it empties first. */
    static void copy(Path from, Path to) throws IOException {
        if (Files.exists(to)) {
            DurableFiles.deleteRecursively(StoreFiles.SYSTEM, to);
        }
        Files.createDirectories(to);
        for (Path file : DurableFiles.list(from)) {
            Files.copy(file, to.resolve(file.getFileName()));
        }
    }

    static void cutTo(Path file, long length) throws IOException {
        try (AppendFile opened = AppendFile.open(file)) {
            opened.truncate(length);
        }
    }

    static void flip(Path file, int position, int bit) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[position] ^= (byte) (1 << bit);
        FaultCounts.add("flipped bits", 1);
        Files.write(file, bytes);
    }
}
