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

import io.datainf.engine.store.FaultyFiles;
import io.datainf.engine.store.StoreFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
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
        FORCE_AND_RENAME;

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
                    files.failNameChanges(fails);
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

    @Test
    void create_namesCannotChange_makesNothing() throws IOException {
        FaultyFiles files = new FaultyFiles();
        try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, files)) {
            files.failNameChanges(true);
            assertThatIOException().isThrownBy(() -> registry.create(definition("run")));
            assertThat(registry.list("", 10)).isEmpty();
            files.failNameChanges(false);
            assertThat(registry.create(definition("run")).sampleCount()).isZero();
        }
    }

    @Test
    void diskFull_queriesGoOn_andWritesWhenSpaceReturns() throws Exception {
        assumeTrue(command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.toString()), "not root");
        try {
            Path ballast = directory.resolve("ballast");
            Files.write(ballast, new byte[800 << 10]);
            Map<Long, float[]> model = new HashMap<>();
            try (RunRegistry registry = RunFixture.open(directory, RunFixture.BUDGET, StoreFiles.SYSTEM)) {
                Run run = registry.create(definition("run"));
                RunWriter writer = run.openWriter("writer");
                long id = 1;
                Throwable full = null;
                while (full == null) {
                    var receipt = writer.append(batch(id, id, gradient(id)));
                    full = receipt.handle((done, failure) -> failure)
                            .toCompletableFuture()
                            .get(1, TimeUnit.MINUTES);
                    if (full == null) {
                        model.put(id, gradient(id));
                        id++;
                    }
                }
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
