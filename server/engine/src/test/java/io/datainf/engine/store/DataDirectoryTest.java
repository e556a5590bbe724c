package io.datainf.engine.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataDirectoryTest {

    @TempDir
    private Path temporary;

    @Test
    void open_heldByThisProcess_isRefusedAndTheHolderKeepsTheLock() throws IOException {
        Path root = temporary.resolve("data");
        try (DataDirectory held = DataDirectory.open(root, StoreFiles.SYSTEM, Durability.FSYNC)) {
            for (int attempt = 0; attempt < 2; attempt++) {
                assertThatThrownBy(() -> DataDirectory.open(
                                temporary.resolve("data/../data"), StoreFiles.SYSTEM, Durability.FSYNC))
                        .isInstanceOf(DataDirectoryInUseException.class)
                        .hasMessageContaining(root.toString());
            }
            assertThat(Files.readString(root.resolve("lock")))
                    .isEqualTo(Long.toString(ProcessHandle.current().pid()));
            assertThat(held.runNames()).isEmpty();
        }
        DataDirectory.open(root, StoreFiles.SYSTEM, Durability.FSYNC).close();
    }

    @Test
    void open_notADirectory_saysSo() throws IOException {
        Path file = Files.writeString(temporary.resolve("file"), "");
        assertThatThrownBy(() -> DataDirectory.open(file, StoreFiles.SYSTEM, Durability.FSYNC))
                .isInstanceOf(FileAlreadyExistsException.class);
    }

    @Test
    void createRun_readBack_isEqual() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC)) {
            directory.createRun(LogFixture.MANIFEST);
            assertThat(directory.runNames()).containsExactly("run");
            assertThat(directory.readManifest("run")).isEqualTo(LogFixture.MANIFEST);
        }
    }

    @Test
    void deleteRun_leavesNothing() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC)) {
            directory.createRun(LogFixture.MANIFEST);
            directory.deleteRun("run");
            assertThat(directory.runNames()).isEmpty();
            assertThat(temporary.resolve("tmp")).isEmptyDirectory();
            directory.createRun(LogFixture.MANIFEST);
            assertThat(directory.runNames()).containsExactly("run");
        }
    }

    @Test
    void runsOfNoDurability_areGoneWhenOpenedAgain() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.NONE)) {
            directory.createRun(LogFixture.MANIFEST);
            assertThat(directory.runNames()).containsExactly("run");
            assertThat(directory.readManifest("run")).isEqualTo(LogFixture.MANIFEST);
            directory.deleteRun("run");
            assertThat(directory.runNames()).isEmpty();
            directory.createRun(LogFixture.MANIFEST);
        }
        for (Durability next : Durability.values()) {
            try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, next)) {
                assertThat(directory.runNames()).isEmpty();
            }
        }
    }

    @Test
    void open_withoutDurabilityWhereThereAreRuns_isRefusedAndKeepsThem() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC)) {
            directory.createRun(LogFixture.MANIFEST);
        }
        assertThatThrownBy(() -> DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.NONE))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(temporary.toString(), "holds 1 runs: expected one without runs");
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.OS)) {
            assertThat(directory.runNames()).containsExactly("run");
        }
    }

    @Test
    void open_removesWhatCrashesLeftBehind() throws IOException {
        DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC).close();
        Path leftover = Files.createDirectories(temporary.resolve("tmp/x/y"));
        Files.writeString(leftover.resolve("file"), "left over");
        DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC).close();
        assertThat(temporary.resolve("tmp")).isEmptyDirectory();
    }

    @Test
    void readManifest_missingOrOfAnotherRun_isRefused() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM, Durability.FSYNC)) {
            Files.createDirectory(directory.runDirectory("empty"));
            assertThatThrownBy(() -> directory.readManifest("empty"))
                    .isInstanceOf(CorruptSegmentException.class)
                    .hasMessageContaining("no file");
            directory.createRun(LogFixture.MANIFEST);
            Files.move(directory.runDirectory("run"), directory.runDirectory("renamed"));
            assertThatThrownBy(() -> directory.readManifest("renamed"))
                    .isInstanceOf(CorruptSegmentException.class)
                    .hasMessageContaining("expected run 'renamed', found run 'run'");
        }
    }
}
