package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.assertSame;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunRecoveryTest {

    private static final RunId ID = new RunId("run");

    @TempDir
    private Path directory;

    @Test
    void restart_withReplacements_isBitIdentical() throws IOException {
        BlockStatistics before;
        BitSet deadBefore;
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, StoreFiles.SYSTEM)) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            for (int seq = 1; seq <= 200; seq++) {
                // Norms over 12 decades, so that another order of summation would show.
                float[] gradient = gradient(seq);
                for (int i = 0; i < gradient.length; i++) {
                    gradient[i] *= (float) Math.pow(10, seq % 13 - 6);
                }
                await(writer.append(batch(seq, seq % 5 == 0 ? seq / 2 : seq, gradient)));
            }
            try (RunSnapshot snapshot = registry.get(ID).snapshot()) {
                before = snapshot.samples().statistics();
                deadBefore = snapshot.samples().deadRows();
                assertThat(snapshot.samples().rowCount()).isEqualTo(200);
                RunFixture.assertConsistent(snapshot);
            }
        }
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            assertSame(snapshot.samples().statistics(), before);
            assertThat(snapshot.samples().deadRows()).isEqualTo(deadBefore);
            assertThat(snapshot.samples().rowCount()).isEqualTo(200);
            assertThat(snapshot.revision()).isEqualTo(200);
            RunFixture.assertConsistent(snapshot);
        }
    }

    /** Kernels multiply dead rows with 0, and 0 times NaN is NaN. */
    @Test
    void restart_rowThatBecameNaN_leavesNothingOfItInMemory() throws IOException {
        try (RunRegistry registry = RunFixture.open(directory)) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            for (int seq = 1; seq <= 3; seq++) {
                await(writer.append(batch(seq, seq, gradient(seq))));
            }
        }
        overwriteWithNaN(gradient(2));
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            assertThat(registry.get(ID).damagedSamples()).isEqualTo(new DamagedSamples(1, List.of(2L)));
            assertThat(RunFixture.row(snapshot, 1)).containsOnly(0f);
            RunFixture.assertHolds(snapshot, Map.of(1L, gradient(1), 3L, gradient(3)));
        }
    }

    private void overwriteWithNaN(float[] gradient) throws IOException {
        ByteBuffer row = ByteBuffer.allocate(gradient.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float element : gradient) {
            row.putFloat(element);
        }
        Path segment = directory.resolve("runs/run/segment-0000000001.dseg");
        // One byte a character, so that positions are those of bytes.
        String content = Files.readString(segment, StandardCharsets.ISO_8859_1);
        int at = content.indexOf(new String(row.array(), StandardCharsets.ISO_8859_1));
        assertThat(at).isPositive();
        byte[] bytes = content.getBytes(StandardCharsets.ISO_8859_1);
        Arrays.fill(bytes, at, at + row.capacity(), (byte) 0xFF);
        Files.write(segment, bytes);
    }

    @Test
    void restart_writersResumeWhereTheyStopped() throws IOException {
        try (RunRegistry registry = RunFixture.open(directory)) {
            Run run = registry.create(definition("run"));
            RunWriter first = run.openWriter("first");
            for (int seq = 1; seq <= 3; seq++) {
                await(first.append(batch(seq, seq, gradient(seq))));
            }
            await(run.openWriter("second").append(batch(1, 10, gradient(10))));
        }
        try (RunRegistry registry = RunFixture.open(directory)) {
            Run run = registry.get(ID);
            RunWriter first = run.openWriter("first");
            assertThat(first.resumeAfterBatchSeq()).isEqualTo(3);
            assertThat(run.openWriter("second").resumeAfterBatchSeq()).isEqualTo(1);
            assertThat(run.openWriter("third").resumeAfterBatchSeq()).isZero();
            assertThat(await(first.append(batch(3, 3, gradient(3)))).storedCount())
                    .isZero();
            assertThat(await(first.append(batch(4, 4, gradient(4)))).revision()).isEqualTo(5);
            try (RunSnapshot snapshot = run.snapshot()) {
                assertHolds(
                        snapshot,
                        Map.of(1L, gradient(1), 2L, gradient(2), 3L, gradient(3), 4L, gradient(4), 10L, gradient(10)));
            }
        }
    }

    @Test
    void restart_rowsOf26Megabytes_comeBack() throws IOException {
        int width = 6_553_611;
        BlockLayout layout = BlockLayout.of(List.of(new Block("wide", 1, width)));
        RunDefinition definition = new RunDefinition(ID, layout, ElementType.F32, 0.1, "", Map.of());
        try (Arena arena = Arena.ofShared();
                RunRegistry registry = RunFixture.open(directory)) {
            MemorySegment rows = arena.allocate(2L * width * Float.BYTES);
            for (long i = 0; i < 2L * width; i++) {
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (i % 1000));
            }
            RunWriter writer = registry.create(definition).openWriter("writer");
            await(writer.append(new SampleBatch(1, new long[] {1, 2}, new long[0], ElementType.F32, rows)));
        }
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            for (int ordinal = 0; ordinal < 2; ordinal++) {
                MemorySegment row = snapshot.samples().gradients().row(ordinal);
                for (long i = 0; i < width; i++) {
                    if (row.getAtIndex(ValueLayout.JAVA_FLOAT, i) != (float) (((long) ordinal * width + i) % 1000)) {
                        throw new AssertionError("row %d, element %d".formatted(ordinal, i));
                    }
                }
            }
        }
    }
}
