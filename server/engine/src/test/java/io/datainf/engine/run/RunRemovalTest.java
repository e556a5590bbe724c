package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.AppendFile;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What else goes on while a run is deleted. */
class RunRemovalTest {

    private static final RunId ID = new RunId("run");

    @TempDir
    private Path directory;

    private final HookedFiles files = new HookedFiles();

    @Test
    void batch_duringDeletion_failsBecauseTheRunIsGone() throws IOException {
        try (RunRegistry registry = open()) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            await(writer.append(batch(1, 1, gradient(1))));
            AtomicReference<CompletionStage<BatchReceipt>> receipt = new AtomicReference<>();
            files.renaming = (from, to) -> {
                StoreFiles.SYSTEM.rename(from, to);
                receipt.set(writer.append(batch(2, 2, gradient(2))));
            };

            registry.delete(ID);

            assertThat(failure(receipt.get())).isInstanceOf(UnknownRunException.class);
            assertThat(registry.writeTrouble()).isEmpty();
        }
    }

    @Test
    void deletion_thatFails_leavesTheRunAtWork() throws IOException {
        try (RunRegistry registry = open()) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            await(writer.append(batch(1, 1, gradient(1))));
            files.renaming = (from, to) -> {
                throw new IOException("injected fault: rename");
            };
            assertThatThrownBy(() -> registry.delete(ID)).hasMessage("injected fault: rename");
            files.renaming = StoreFiles.SYSTEM::rename;

            await(writer.append(batch(2, 2, gradient(2))));
            registry.compact();
            try (RunSnapshot snapshot = registry.get(ID).snapshot()) {
                assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2)));
            }
        }
    }

    @Test
    void runOfTheSameId_createdDuringCompaction_keepsItsFiles() throws Exception {
        FutureTask<Void> recreation;
        try (RunRegistry registry = open()) {
            RunWriter writer = registry.create(definition("run")).openWriter("writer");
            for (int seq = 1; seq <= 100; seq++) {
                await(writer.append(batch(seq, 1, gradient(seq))));
            }
            recreation = new FutureTask<>(() -> {
                registry.delete(ID);
                RunWriter newWriter = registry.create(definition("run")).openWriter("writer");
                for (int seq = 1; seq <= 100; seq++) {
                    await(newWriter.append(batch(seq, seq, gradient(-seq))));
                }
                return null;
            });
            files.renaming = (from, to) -> {
                boolean compaction = to.toString().endsWith(".dseg") && Files.exists(to);
                StoreFiles.SYSTEM.rename(from, to);
                if (compaction) {
                    files.renaming = StoreFiles.SYSTEM::rename;
                    startAndAwaitStandstill(recreation);
                }
            };

            registry.compact();
            recreation.get();
        }
        try (RunRegistry registry = RunFixture.open(directory);
                RunSnapshot snapshot = registry.get(ID).snapshot()) {
            assertThat(snapshot.samples().sampleCount()).isEqualTo(100);
        }
    }

    private static void startAndAwaitStandstill(Runnable task) {
        Thread thread = Thread.ofPlatform().start(task);
        Set<Thread.State> still = EnumSet.of(Thread.State.BLOCKED, Thread.State.TERMINATED);
        while (!still.contains(thread.getState())) {
            Thread.onSpinWait();
        }
    }

    private RunRegistry open() throws IOException {
        return RunRegistry.open(
                directory,
                RunFixture.BUDGET,
                StoreEvents.NONE,
                new StoreOptions(4096, 1024, Durability.FSYNC, CompactionOptions.DEFAULT, files));
    }

    /** The file system, with another way to rename. */
    private static final class HookedFiles implements StoreFiles {

        /** Gives a file or directory another name. */
        @FunctionalInterface
        interface Renaming {
            void rename(Path from, Path to) throws IOException;
        }

        private volatile Renaming renaming = SYSTEM::rename;

        @Override
        public AppendFile append(Path file) throws IOException {
            return SYSTEM.append(file);
        }

        @Override
        public void createDirectory(Path directory) throws IOException {
            SYSTEM.createDirectory(directory);
        }

        @Override
        public void rename(Path from, Path to) throws IOException {
            renaming.rename(from, to);
        }

        @Override
        public void delete(Path path) throws IOException {
            SYSTEM.delete(path);
        }

        @Override
        public void forceDirectory(Path directory) throws IOException {
            SYSTEM.forceDirectory(directory);
        }
    }
}
