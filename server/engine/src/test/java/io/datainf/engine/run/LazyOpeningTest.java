package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.CorruptSegmentException;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.FaultyFiles;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs are opened when they are asked for, and each for itself. */
class LazyOpeningTest {

    @TempDir
    private Path directory;

    private void create(List<String> ids) throws IOException {
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, new FaultyFiles())) {
            for (String id : ids) {
                await(registry.create(definition(id)).openWriter("w").append(batch(1, 1, gradient(1))));
            }
        }
    }

    private Path manifest(String id) {
        return directory.resolve("runs").resolve(id).resolve("manifest");
    }

    @Test
    void manyRuns_areOpenedAsTheyAreAskedFor() throws IOException {
        List<String> ids =
                IntStream.range(0, 100).mapToObj("run-%04d"::formatted).toList();
        create(ids);
        try (RunRegistry registry = RunFixture.open(directory)) {
            // Nothing of it was read so far.
            Files.write(manifest("run-0007"), new byte[8]);
            assertThat(registry.figures().runCount()).isEqualTo(100);
            assertThat(registry.figures().openRunCount()).isZero();

            assertThat(registry.get(new RunId("run-0050")).sampleCount()).isEqualTo(1);
            assertThat(registry.figures().openRunCount()).isEqualTo(1);
            assertThat(registry.list("run-0003", 5))
                    .extracting(run -> run.definition().id().value())
                    .containsExactly("run-0004", "run-0005", "run-0006", "run-0008", "run-0009");
            assertThat(registry.figures().openRunCount()).isEqualTo(6);
            assertThatThrownBy(() -> registry.get(new RunId("run-0007"))).isInstanceOf(CorruptSegmentException.class);
        }
    }

    @Test
    void openAndUnopenedRuns_areToldApartWithoutOpeningAny() throws IOException {
        create(List.of("a", "b", "c"));
        try (RunRegistry registry = RunFixture.open(directory)) {
            assertThat(registry.openRuns()).isEmpty();
            Run run = registry.get(new RunId("b"));

            assertThat(registry.openRuns()).containsExactly(run);
            assertThat(registry.unopenedRuns()).containsExactly(new RunId("a"), new RunId("c"));
            long rowBytes = (long) RunFixture.DIMENSION * Float.BYTES;
            assertThat(registry.diskBytes(new RunId("a"))).isGreaterThan(rowBytes);
            assertThat(registry.diskBytes(new RunId("none"))).isZero();
            assertThat(registry.openRuns()).hasSize(1);
        }
    }

    @Test
    void statistics_areThoseOfTheSnapshot_andAskForNoRow() throws IOException {
        create(List.of("a"));
        try (RunRegistry registry = RunFixture.open(directory)) {
            Run run = registry.get(new RunId("a"));

            assertThat(run.statistics()).hasValueSatisfying(statistics -> {
                assertThat(run.lastAskedNanos()).isEqualTo(Run.NEVER);
                assertThat(statistics.sampleCount()).isEqualTo(1);
                try (RunSnapshot snapshot = run.snapshot()) {
                    assertThat(statistics.squaredNormSums())
                            .isEqualTo(snapshot.samples().statistics().squaredNormSums());
                }
            });
            registry.delete(new RunId("a"));
            assertThat(run.statistics()).isEmpty();
        }
    }

    @Test
    void runThatTakesLongToOpen_keepsNobodyElseWaiting() throws Exception {
        create(List.of("slow", "other"));
        byte[] content = Files.readAllBytes(manifest("slow"));
        Files.delete(manifest("slow"));
        assertThat(new ProcessBuilder("mkfifo", manifest("slow").toString())
                        .start()
                        .waitFor())
                .isZero();
        try (RunRegistry registry = RunFixture.open(directory)) {
            FutureTask<Run> opening = new FutureTask<>(() -> registry.get(new RunId("slow")));
            Thread opener = Thread.ofPlatform().start(opening);
            // Returns when the reader has come, who then waits for what is written.
            try (OutputStream pipe = Files.newOutputStream(manifest("slow"))) {
                assertThat(registry.get(new RunId("other")).sampleCount()).isEqualTo(1);
                assertThat(registry.create(definition("new")).sampleCount()).isZero();
                pipe.write(content);
            }
            assertThat(opening.get().sampleCount()).isEqualTo(1);
            opener.join();
        }
    }

    @Test
    void runThatCannotBeReadNow_isTriedAgain() throws IOException {
        create(List.of("run"));
        Path aside = directory.resolve("aside");
        Files.move(manifest("run"), aside);
        Files.createDirectory(manifest("run"));
        try (RunRegistry registry = RunFixture.open(directory)) {
            assertThatThrownBy(() -> registry.get(new RunId("run"))).isInstanceOf(UncheckedIOException.class);
            assertThat(registry.list("", 10)).isEmpty();
            Files.delete(manifest("run"));
            Files.move(aside, manifest("run"));
            assertThat(registry.get(new RunId("run")).sampleCount()).isEqualTo(1);
        }
    }

    @Test
    void runThatNobodyAsksFor_isMaintainedWhenItsDeadlineHasCome() throws IOException {
        create(List.of("run"));
        CompactionOptions atOnce = new CompactionOptions(1, Duration.ZERO, Long.MAX_VALUE);
        StoreOptions options = new StoreOptions(4096, 1024, Durability.FSYNC, atOnce, StoreFiles.SYSTEM);
        try (RunRegistry registry = RunRegistry.open(directory, RunFixture.BUDGET, StoreEvents.NONE, options)) {
            registry.maintain();
            assertThat(registry.figures().openRunCount()).isEqualTo(1);
        }
    }

    @Test
    void unopenedRun_canBeDeleted() throws IOException {
        create(List.of("run"));
        try (RunRegistry registry = RunFixture.open(directory)) {
            registry.delete(new RunId("run"));
            assertThatThrownBy(() -> registry.get(new RunId("run"))).isInstanceOf(UnknownRunException.class);
            assertThat(directory.resolve("runs/run")).doesNotExist();
            assertThat(registry.create(definition("run")).sampleCount()).isZero();
        }
    }
}
