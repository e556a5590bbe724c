package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.CorruptSegmentException;
import io.datainf.engine.store.DataDirectoryInUseException;
import io.datainf.engine.store.ForeignFileException;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunRegistryTest {

    private static final RunId ID = new RunId("run");

    @TempDir
    private Path directory;

    private RunRegistry registry;

    @BeforeEach
    void open() throws IOException {
        registry = RunFixture.open(directory);
    }

    @AfterEach
    void close() {
        registry.close();
    }

    @Test
    void create_equalDefinition_returnsTheRun() throws IOException {
        Instant before = Instant.now();
        Run run = registry.create(definition("run"));
        assertThat(registry.create(definition("run"))).isSameAs(run);
        assertThat(registry.get(ID)).isSameAs(run);
        assertThat(run.createTime()).isBetween(before, Instant.now());

        restart();
        assertThat(registry.get(ID).definition()).isEqualTo(definition("run"));
        assertThat(registry.get(ID).createTime()).isEqualTo(run.createTime());
        registry.create(definition("run"));
    }

    @Test
    void create_otherDefinition_namesTheFirstDifference() throws IOException {
        registry.create(definition("run"));
        BlockLayout layout = RunFixture.LAYOUT;
        List<Block> renamed = new ArrayList<>(layout.blocks());
        renamed.set(1, new Block("z", 1, 1));
        List<Block> reshaped = new ArrayList<>(layout.blocks());
        reshaped.set(0, new Block("a", 3, 2));

        assertMismatch(
                with(BlockLayout.of(layout.blocks().subList(0, 2)), ElementType.F32, 0.1, "", Map.of()),
                "layout.blocks count 3; the request has 2");
        assertMismatch(
                with(BlockLayout.of(renamed), ElementType.BF16, 0.1, "", Map.of()),
                "layout.blocks[1].name 'b'; the request has 'z'");
        assertMismatch(
                with(BlockLayout.of(reshaped), ElementType.F32, 0.1, "", Map.of()),
                "layout.blocks[0] ('a') shape [2, 3]; the request has [3, 2]");
        assertMismatch(
                with(layout, ElementType.BF16, 0.2, "", Map.of()), "stored_element_type F32; the request has BF16");
        assertMismatch(with(layout, ElementType.F32, 0.2, "", Map.of()), "damping_scale 0.1; the request has 0.2");
        assertMismatch(with(layout, ElementType.F32, 0.1, "", Map.of()), "checkpoint 'step-1'; the request has ''");
        assertMismatch(
                with(layout, ElementType.F32, 0.1, "step-1", Map.of("b", "2", "a", "1")),
                "labels {owner=tests}; the request has {a=1, b=2}");
    }

    @Test
    void get_unknown_saysSo() {
        assertThatThrownBy(() -> registry.get(ID))
                .isInstanceOf(UnknownRunException.class)
                .hasMessageContaining("'run'");
        assertThatThrownBy(() -> registry.delete(ID)).isInstanceOf(UnknownRunException.class);
    }

    @Test
    void list_pagesInAscendingOrder() throws IOException {
        for (String id : List.of("b", "a", "c", "B")) {
            registry.create(definition(id));
        }
        assertThat(registry.list("", 3))
                .extracting(run -> run.definition().id().value())
                .containsExactly("B", "a", "b");
        assertThat(registry.list("b", 3))
                .extracting(run -> run.definition().id().value())
                .containsExactly("c");
        assertThat(registry.list("c", 3)).isEmpty();
    }

    @Test
    void open_directoryInUse_isRefused() {
        assertThatThrownBy(() -> RunFixture.open(directory))
                .isInstanceOf(DataDirectoryInUseException.class)
                .hasMessageContaining(directory.toString());
    }

    @Test
    void close_twice_unlocksOnce() throws IOException {
        registry.close();
        registry.close();
        assertThatIllegalStateException().isThrownBy(() -> registry.create(definition("run")));
        registry = RunFixture.open(directory);
    }

    @Test
    void close_withWaitingBatches_commitsThem() throws IOException {
        RunWriter writer = registry.create(definition("run")).openWriter("writer");
        List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
        for (int seq = 1; seq <= 50; seq++) {
            receipts.add(writer.append(batch(seq, seq, gradient(seq))));
        }
        restart();
        receipts.forEach(receipt -> assertThat(await(receipt).storedCount()).isEqualTo(1));
        assertThat(registry.get(ID).sampleCount()).isEqualTo(50);
        assertThat(failure(writer.append(batch(51, 51, gradient(51))))).isInstanceOf(IOException.class);
    }

    @Test
    void delete_withOpenSnapshot_keepsItsRows() throws IOException {
        Run run = registry.create(definition("run"));
        RunWriter writer = run.openWriter("writer");
        AtomicInteger ended = new AtomicInteger();
        writer.onEnd(ended::incrementAndGet);
        await(writer.append(batch(1, new long[] {1, 2}, gradient(1), gradient(2))));
        RunSnapshot snapshot = run.snapshot();
        registry.delete(ID);

        assertThat(ended).hasValue(1);
        assertThat(registry.list("", 10)).isEmpty();
        assertThat(directory.resolve("runs")).isEmptyDirectory();
        assertThat(failure(writer.append(batch(2, 3, gradient(3))))).isInstanceOf(UnknownRunException.class);
        assertThatThrownBy(() -> run.openWriter("writer")).isInstanceOf(UnknownRunException.class);
        assertThatThrownBy(run::snapshot).isInstanceOf(UnknownRunException.class);
        assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2)));
        assertThat(registry.figures().memoryBytes()).isPositive();

        snapshot.close();
        snapshot.close();
        assertThat(registry.figures().memoryBytes()).isZero();
        assertThatIllegalStateException()
                .isThrownBy(() -> snapshot.samples().gradients().row(0).get(ValueLayout.JAVA_BYTE, 0));
        assertThatThrownBy(run::snapshot).isInstanceOf(UnknownRunException.class);
    }

    @Test
    void delete_andCreateAgain_startsEmpty() throws IOException {
        Run first = registry.create(definition("run"));
        await(first.openWriter("writer").append(batch(1, 1, gradient(1))));
        registry.delete(ID);
        Run second = registry.create(definition("run", ElementType.BF16));
        assertThat(second.sampleCount()).isZero();
        RunWriter writer = second.openWriter("writer");
        assertThat(writer.resumeAfterBatchSeq()).isZero();
        await(writer.append(batch(1, 5, new float[RunFixture.DIMENSION])));

        restart();
        assertThat(registry.get(ID).definition().storedType()).isEqualTo(ElementType.BF16);
        assertThat(registry.get(ID).sampleCount()).isEqualTo(1);
    }

    @Test
    void open_damagedRun_servesTheOthers() throws IOException {
        for (String id : List.of("run", "sound", "headless", "foreign")) {
            await(registry.create(definition(id)).openWriter("writer").append(batch(1, 1, gradient(1))));
        }
        registry.close();
        damage(directory.resolve("runs/run/segment-0000000001.dseg"), 200);
        Files.copy(
                directory.resolve("runs/sound/segment-0000000001.dseg"),
                directory.resolve("runs/foreign/segment-0000000001.dseg"),
                StandardCopyOption.REPLACE_EXISTING);
        damage(directory.resolve("runs/headless/manifest"), 20);
        Files.createDirectory(directory.resolve("runs/lost+found"));

        registry = RunFixture.open(directory);
        assertThat(registry.get(new RunId("sound")).sampleCount()).isEqualTo(1);
        assertThat(registry.list("", 10)).hasSize(2);
        assertThat(registry.get(ID).sampleCount()).isZero();
        assertThat(registry.get(ID).damagedSamples()).isEqualTo(new DamagedSamples(1, List.of()));
        assertThatThrownBy(() -> registry.get(new RunId("foreign")))
                .isInstanceOf(ForeignFileException.class)
                .hasMessageContaining("runs/foreign/segment-0000000001.dseg does not belong here at byte 16")
                .hasMessageContaining("instance");
        assertThatThrownBy(() -> registry.create(definition("headless")))
                .isInstanceOf(CorruptSegmentException.class)
                .hasMessageContaining("runs/headless/manifest is corrupt at byte");
        assertThat(registry.figures().memoryBytes()).isEqualTo(128);

        registry.delete(new RunId("foreign"));
        assertThat(registry.create(definition("foreign")).sampleCount()).isZero();
    }

    @Test
    void open_rowsBeyondTheBudget_leavesThemInTheFiles() throws IOException {
        await(registry.create(definition("a")).openWriter("w").append(batch(1, 1, gradient(1))));
        await(registry.create(definition("b"))
                .openWriter("w")
                .append(batch(1, new long[] {1, 2}, gradient(1), gradient(2))));
        registry.close();

        registry = RunFixture.open(directory, 256, StoreFiles.SYSTEM);
        for (String id : List.of("a", "b")) {
            try (RunSnapshot snapshot = registry.get(new RunId(id)).snapshot()) {
                Map<Long, float[]> expected = new HashMap<>(Map.of(1L, gradient(1)));
                if (id.equals("b")) {
                    expected.put(2L, gradient(2));
                }
                assertHolds(snapshot, expected);
            }
        }
        assertThat(registry.figures()).isEqualTo(new StorageFigures(2, 2, 3, 2, 0, 256, 0, 256, true));
    }

    @Test
    void idleRuns_costNoThreads() throws IOException {
        for (int i = 0; i < 20; i++) {
            RunWriter writer = registry.create(definition("run-" + i)).openWriter("writer");
            await(writer.append(batch(1, 1, gradient(1))));
            writer.close();
        }
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (logThreads() > 0 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertThat(logThreads()).isZero();
        // A writer that comes later finds everything.
        assertThat(await(registry.get(new RunId("run-3")).openWriter("writer").append(batch(2, 2, gradient(2))))
                        .revision())
                .isEqualTo(2);
    }

    private static long logThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("datainf-log-run-"))
                .count();
    }

    private void restart() throws IOException {
        registry.close();
        registry = RunFixture.open(directory);
    }

    private void assertMismatch(RunDefinition requested, String message) {
        assertThatThrownBy(() -> registry.create(requested))
                .isInstanceOf(RunDefinitionMismatchException.class)
                .hasMessage("run 'run' exists with " + message);
    }

    private static RunDefinition with(
            BlockLayout layout, ElementType type, double scale, String checkpoint, Map<String, String> labels) {
        return new RunDefinition(ID, layout, type, scale, checkpoint, labels);
    }

    private static void damage(Path file, int position) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[position] ^= 1;
        Files.write(file, bytes);
    }
}
