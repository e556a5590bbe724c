package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.datainf.engine.store.FaultCounts;
import io.datainf.engine.store.FaultyFiles;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Disks that fail and fill up under a run. */
class StoreFaultTest {

    private static final RunId ID = new RunId("run");

    @TempDir
    private Path directory;

    /** What fails. */
    enum Fault {
        APPEND,
        FORCE,
        FORCE_AND_TRUNCATE,
        APPEND_AND_OPEN,
        FORCE_AND_RENAME,
        FORCE_AND_DIRECTORY_FORCE;

        void set(FaultyFiles files, boolean fails) {
            switch (this) {
                case APPEND -> files.limitAppends(fails ? 100 : FaultyFiles.UNLIMITED);
                case FORCE -> files.failForces(fails);
                case FORCE_AND_TRUNCATE -> {
                    files.failForces(fails);
                    files.failTruncates(fails);
                }
                case APPEND_AND_OPEN -> {
                    files.limitAppends(fails ? 100 : FaultyFiles.UNLIMITED);
                    files.failOpens(fails);
                }
                case FORCE_AND_RENAME -> {
                    files.failForces(fails);
                    files.failRenames(fails);
                }
                case FORCE_AND_DIRECTORY_FORCE -> {
                    files.failForces(fails);
                    files.failDirectoryForces(fails);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void faults_whileWriting_applyNothingAndPass(Fault fault) throws IOException {
        FaultyFiles files = new FaultyFiles();
        Map<Long, float[]> model = new HashMap<>();
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, files)) {
            Run run = registry.create(definition("run"));
            RunWriter writer = run.openWriter("writer");
            // Segments of 4096 bytes and batches of 256: the fault meets every place in a segment, and the change to a
            // new one.
            for (int id = 1; id <= 40; id++) {
                fault.set(files, true);
                for (int attempt = 0; attempt < 2; attempt++) {
                    assertThat(failure(writer.append(batch(id, id, gradient(-id)))))
                            .isInstanceOf(IOException.class)
                            .hasMessageStartingWith("injected fault");
                }
                assertThat(registry.writeTrouble()).isPresent();
                try (RunSnapshot snapshot = run.snapshot()) {
                    assertHolds(snapshot, model);
                }
                fault.set(files, false);
                await(writer.append(batch(id, id, gradient(id))));
                model.put((long) id, gradient(id));
                assertThat(registry.writeTrouble()).isEmpty();
            }
        }
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            assertHolds(snapshot, model);
            assertThat(registry.get(ID).damagedCount()).isZero();
        }
    }

    /** What fails while a run is created or deleted. */
    enum NameFault {
        MKDIR,
        RENAME,
        ANY_NAME,
        WRITE,
        OPEN,
        DIRECTORY_FORCE;

        void set(FaultyFiles files, boolean fails) {
            switch (this) {
                case MKDIR -> files.failDirectories(fails);
                case RENAME -> files.failRenames(fails);
                case ANY_NAME -> files.failNameChanges(fails);
                case WRITE -> files.limitAppends(fails ? 10 : FaultyFiles.UNLIMITED);
                case OPEN -> files.failOpens(fails);
                case DIRECTORY_FORCE -> files.failDirectoryForces(fails);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"RENAME", "ANY_NAME", "OPEN", "DIRECTORY_FORCE"})
    void faults_whileASegmentIsBegun_applyNothingAndPass(NameFault fault) throws IOException {
        FaultyFiles files = new FaultyFiles();
        Map<Long, float[]> model = new HashMap<>();
        int failures = 0;
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, files)) {
            Run run = registry.create(definition("run"));
            RunWriter writer = run.openWriter("writer");
            for (long id = 1; id <= 100; id++) {
                fault.set(files, true);
                Throwable failure = outcome(writer.append(batch(id, id, gradient(id))));
                if (failure != null) {
                    failures++;
                    assertThat(failure).isInstanceOf(IOException.class).hasMessageStartingWith("injected fault");
                    try (RunSnapshot snapshot = run.snapshot()) {
                        assertHolds(snapshot, model);
                    }
                    fault.set(files, false);
                    await(writer.append(batch(id, id, gradient(id))));
                }
                model.put(id, gradient(id));
            }
            fault.set(files, false);
        }
        assertThat(failures).as("segments begun").isGreaterThan(4);
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            assertHolds(snapshot, model);
            assertThat(registry.get(ID).damagedCount()).isZero();
        }
    }

    /** What the stage fails with, or null. */
    private static @Nullable Throwable outcome(CompletionStage<BatchReceipt> stage) {
        return stage.<@Nullable Throwable>handle((receipt, failure) -> failure)
                .toCompletableFuture()
                .orTimeout(1, TimeUnit.MINUTES)
                .join();
    }

    @ParameterizedTest
    @EnumSource
    void create_fails_makesNothing(NameFault fault) throws IOException {
        FaultyFiles files = new FaultyFiles();
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, files)) {
            fault.set(files, true);
            assertThatIOException()
                    .isThrownBy(() -> registry.create(definition("run")))
                    .withMessageStartingWith("injected fault");
            assertThat(registry.list("", 10)).isEmpty();
            fault.set(files, false);
            assertThat(registry.create(definition("run")).sampleCount()).isZero();
        }
        try (RunRegistry registry = RunFixture.open(directory)) {
            assertThat(registry.list("", 10)).hasSize(1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"RENAME", "ANY_NAME"})
    void delete_fails_keepsTheRun(NameFault fault) throws IOException {
        FaultyFiles files = new FaultyFiles();
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, files)) {
            Run run = registry.create(definition("run"));
            RunWriter writer = run.openWriter("writer");
            await(writer.append(batch(1, 1, gradient(1))));
            fault.set(files, true);
            assertThatIOException().isThrownBy(() -> registry.delete(ID)).withMessageStartingWith("injected fault");
            fault.set(files, false);
            try (RunSnapshot snapshot = registry.get(ID).snapshot()) {
                assertHolds(snapshot, Map.of(1L, gradient(1)));
            }
            registry.delete(ID);
            assertThat(registry.list("", 10)).isEmpty();
        }
        try (RunRegistry registry = RunFixture.open(directory)) {
            assertThat(registry.list("", 10)).isEmpty();
        }
    }

    @Test
    void diskFull_queriesGoOn_andWritesWhenSpaceReturns() throws Exception {
        assumeTrue(
                command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.toString()),
                "needs the right to mount a tmpfs");
        try {
            Path ballast = directory.resolve("ballast");
            Files.write(ballast, new byte[800 << 10]);
            Map<Long, float[]> model = new HashMap<>();
            try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, StoreFiles.SYSTEM)) {
                Run run = registry.create(definition("run"));
                RunWriter writer = run.openWriter("writer");
                long id = 1;
                @Nullable Throwable full = null;
                while (full == null) {
                    full = outcome(writer.append(batch(id, id, gradient(id))));
                    if (full == null) {
                        model.put(id, gradient(id));
                        id++;
                    }
                }
                FaultCounts.add("disks that ran full", 1);
                assertThat(full).isInstanceOf(IOException.class).hasMessageContaining("No space left on device");
                registry.maintain();
                assertThat(registry.writeTrouble())
                        .hasValueSatisfying(trouble -> assertThat(trouble).contains("No space left on device"));
                try (RunSnapshot snapshot = run.snapshot()) {
                    assertHolds(snapshot, model);
                }
                Files.delete(ballast);
                await(writer.append(batch(id, id, gradient(id))));
                model.put(id, gradient(id));
                assertThat(registry.writeTrouble()).isEmpty();
            }
            try (RunRegistry registry = RunFixture.open(directory);
                    RunSnapshot snapshot = registry.get(ID).snapshot()) {
                assertHolds(snapshot, model);
            }
        } finally {
            assertThat(command("umount", directory.toString())).isTrue();
        }
    }

    private static boolean command(String... words) throws InterruptedException {
        try {
            return new ProcessBuilder(List.of(words)).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
